// The body of a big message.
#include "smtpd/body_writer.h"

#include "queue/crc32c.h"

namespace hikyaku::smtpd {

namespace {

// The disk writes while the message comes, so that the flush at its end finds little to do: it holds up all mail.
constexpr uint64_t kWriteback = 1 << 20;
// And a message that comes faster than the disk is slowed down.
constexpr uint64_t kMostDirty = 16 << 20;

}  // namespace

void BodyWriter::append(std::string_view bytes) {
  if (given_up_) return;
  if (file_)
    write(bytes);
  else
    waiting_ += bytes;
}

void BodyWriter::open(os::UniqueFd file) {
  if (given_up_) return;
  file_ = std::move(file);
  write(waiting_);
  std::string().swap(waiting_);
}

void BodyWriter::write(std::string_view bytes) {
  if (auto written = queue::write_fully(*disk_, file_.get(), bytes, length_); !written) {
    failure_ = written.error();
    return give_up();
  }
  crc_ = queue::extend_crc32c(crc_, bytes);
  length_ += bytes.size();
  if (length_ - told_ >= kWriteback) start_writeback();
}

void BodyWriter::start_writeback() {
  if (!file_ || length_ == told_) return;
  disk_->start_writeback(file_.get(), told_, length_ - told_);
  told_ = length_;
  if (told_ - awaited_ < kMostDirty + kWriteback) return;
  disk_->await_writeback(file_.get(), awaited_, kWriteback);
  awaited_ += kWriteback;
}

void BodyWriter::give_up() {
  given_up_ = true;
  file_.reset();
  std::string().swap(waiting_);
}

}  // namespace hikyaku::smtpd
