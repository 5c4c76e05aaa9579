// The body of a big message on its way into the file that cleanup gave for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "os/unique_fd.h"
#include "queue/disk.h"
#include "util/error.h"

namespace hikyaku::smtpd {

class BodyWriter {
 public:
  // `disk` must outlive it.
  explicit BodyWriter(queue::Disk& disk) : disk_(&disk) {}

  // Writes `bytes`; before open(), keeps them. After a failure they are forgotten.
  void append(std::string_view bytes);
  // The file is there: what waited for it is written.
  void open(os::UniqueFd file);
  // Nothing more will be written.
  void give_up();

  bool is_open() const { return bool(file_); }
  // Bytes that wait for the file.
  size_t waiting() const { return waiting_.size(); }
  uint64_t length() const { return length_; }
  uint32_t crc() const { return crc_; }
  const std::optional<util::Error>& failure() const { return failure_; }
  // Lets the disk begin with what it was not yet told to write.
  void start_writeback();

 private:
  void write(std::string_view bytes);

  queue::Disk* disk_;
  os::UniqueFd file_;
  std::string waiting_;
  bool given_up_ = false;
  uint64_t length_ = 0;   // written
  uint64_t told_ = 0;     // of these, told to the disk
  uint32_t crc_ = 0;      // of what is written
  uint64_t awaited_ = 0;  // of these, written by the disk
  std::optional<util::Error> failure_;
};

}  // namespace hikyaku::smtpd
