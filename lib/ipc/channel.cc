// Frames over a Unix stream socket.
#include "ipc/channel.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "util/error.h"

namespace hikyaku::ipc {

namespace {

constexpr size_t kHeader = 8;
constexpr size_t kLeastRead = 16 << 10;
constexpr size_t kMostDescriptors = 32;  // with one frame
constexpr size_t kLeastDropped = 1 << 20;

struct Header {
  uint32_t length = 0;
  uint16_t type = 0;
  uint16_t descriptors = 0;
};
static_assert(sizeof(Header) == kHeader);

}  // namespace

Channel::Channel(event::Loop& loop, os::UniqueFd fd, ChannelHandler& handler, ChannelLimits limits)
    : fd_(std::move(fd)),
      handler_(handler),
      limits_(limits),
      readable_(loop, fd_.get(), event::Watch::Interest::kRead, [this] { read_ready(); }),
      writable_(loop, fd_.get(), event::Watch::Interest::kWrite, [this] { flush(); }),
      turn_end_(loop,
                [this] {
                  if (!failed_) return flush();
                  const std::string reason = std::move(reason_);  // the handler may destroy us in it
                  handler_.on_closed(*this, reason);
                }),
      input_(std::make_unique_for_overwrite<char[]>(limits.input)),
      capacity_(limits.input) {
  readable_.enable();
}

Channel::~Channel() {
  if (destroyed_ != nullptr) *destroyed_ = true;
}

// ---- sending -----------------------------------------------------------------------------------------------------

size_t Channel::begin_frame() {
  const size_t start = output_.size();
  output_.append(kHeader, '\0');
  return start;
}

void Channel::end_frame(size_t start, uint16_t type, uint16_t descriptors) {
  const Header header{static_cast<uint32_t>(output_.size() - start - kHeader), type, descriptors};
  std::memcpy(output_.data() + start, &header, sizeof header);
  if (!failed_) turn_end_.schedule();
}

void Channel::attach(size_t start, std::span<const int> descriptors) {
  util::ensure(descriptors.size() <= kMostDescriptors, "too many descriptors for one frame");
  if (descriptors.empty()) return;
  Attached attached{start, {}};
  for (const int fd : descriptors) attached.descriptors.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  attached_.push_back(std::move(attached));
}

// Sends bytes up to the next frame that carries descriptors, or that frame's bytes together with them.
ssize_t Channel::send_some() {
  const bool with_descriptors = !attached_.empty() && attached_.front().position == sent_;
  size_t end = output_.size();
  const size_t next = with_descriptors ? 1 : 0;
  if (attached_.size() > next) end = attached_[next].position;
  iovec bytes{output_.data() + sent_, end - sent_};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  if (with_descriptors) {
    const auto& descriptors = attached_.front().descriptors;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    for (size_t i = 0; i < descriptors.size(); ++i) {
      const int fd = descriptors[i].get();
      std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    }
  }
  const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n > 0 && with_descriptors) attached_.pop_front();
  return n;
}

void Channel::flush() {
  if (failed_) return;
  while (waiting() > 0) {
    const ssize_t n = send_some();
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      if (waiting() > limits_.output) return fail("the peer does not read");
      drop_sent();
      return writable_.enable();
    }
    if (n < 0) return fail(fmt::format("write: {}", std::strerror(errno)));
    sent_ += static_cast<size_t>(n);
  }
  writable_.disable();
  sent_ = 0;
  if (output_.capacity() > (1 << 20))
    std::string().swap(output_);
  else
    output_.clear();
}

// A peer that is behind for long must not make the buffer grow by all that was ever sent to it.
void Channel::drop_sent() {
  if (sent_ < kLeastDropped || sent_ < waiting()) return;
  output_.erase(0, sent_);
  for (Attached& attached : attached_) attached.position -= sent_;
  sent_ = 0;
}

// ---- receiving ---------------------------------------------------------------------------------------------------

void Channel::make_room() {
  if (begin_ == end_ && !held_) begin_ = end_ = 0;
  size_t wanted = kLeastRead;
  if (end_ - begin_ >= kHeader) {
    Header header;
    std::memcpy(&header, input_.get() + begin_, sizeof header);
    wanted = std::max(wanted, kHeader + header.length - std::min<size_t>(end_ - begin_, kHeader + header.length));
  }
  if (capacity_ - end_ >= wanted) return;
  const size_t unread = end_ - begin_;
  if (!held_ && capacity_ - unread >= wanted) {
    std::memmove(input_.get(), input_.get() + begin_, unread);
  } else {
    const size_t size = std::max(limits_.input, unread + wanted);
    auto bigger = std::make_unique_for_overwrite<char[]>(size);
    std::memcpy(bigger.get(), input_.get() + begin_, unread);
    if (held_) retired_.push_back(std::move(input_));
    input_ = std::move(bigger);
    capacity_ = size;
  }
  begin_ = 0;
  end_ = unread;
}

void Channel::release() {
  held_ = false;
  retired_.clear();
  if (begin_ != end_) return;
  begin_ = end_ = 0;
  if (capacity_ <= (1 << 20)) return;
  capacity_ = limits_.input;  // a big frame's memory is not kept
  input_ = std::make_unique_for_overwrite<char[]>(capacity_);
}

bool Channel::receive_descriptors(const msghdr& message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(const_cast<msghdr*>(&message), header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      received_.emplace_back(fd);
    }
  }
  return (message.msg_flags & MSG_CTRUNC) == 0 && received_.size() <= 2 * kMostDescriptors;
}

void Channel::read_ready() {
  make_room();
  iovec bytes{input_.get() + end_, capacity_ - end_};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return fail(n == 0 ? "closed by the peer" : fmt::format("read: {}", std::strerror(errno)));
  end_ += static_cast<size_t>(n);
  if (!receive_descriptors(message)) return fail("too many descriptors");
  handle_frames();
}

void Channel::handle_frames() {
  bool destroyed = false;
  destroyed_ = &destroyed;
  while (!failed_ && end_ - begin_ >= kHeader) {
    Header header;
    std::memcpy(&header, input_.get() + begin_, sizeof header);
    if (header.length > limits_.frame) {
      fail(fmt::format("frame of type {} with {} bytes is too long", header.type, header.length));
      break;
    }
    if (end_ - begin_ < kHeader + header.length) break;
    Frame frame{header.type, {input_.get() + begin_ + kHeader, header.length}, {}};
    begin_ += kHeader + header.length;
    if (header.descriptors > received_.size()) {
      fail(fmt::format("frame of type {} lacks its descriptors", header.type));
      break;
    }
    for (int i = 0; i < header.descriptors; ++i) {
      frame.descriptors.push_back(std::move(received_.front()));
      received_.pop_front();
    }
    const bool understood = handler_.on_frame(*this, frame);
    if (destroyed) return;
    if (!understood) reject(header.type);
  }
  destroyed_ = nullptr;
}

void Channel::reject(uint16_t type) { fail(fmt::format("malformed or unexpected frame of type {}", type)); }

void Channel::fail(std::string reason) {
  if (failed_) return;
  failed_ = true;
  reason_ = std::move(reason);
  readable_.disable();
  writable_.disable();
  turn_end_.schedule();
}

}  // namespace hikyaku::ipc
