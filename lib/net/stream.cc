// A connected socket in a loop.
#include "net/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "net/socket.h"

namespace hikyaku::net {

namespace {

constexpr size_t kReadSize = 64 << 10;
constexpr size_t kMostPieces = 16;
constexpr int kAcceptsPerTurn = 64;

// One buffer for all streams of the process: bytes are handed on before the next read.
std::array<char, kReadSize> read_buffer;

}  // namespace

Stream::Stream(event::Loop& loop, os::UniqueFd fd, StreamHandler& handler)
    : fd_(std::move(fd)),
      handler_(handler),
      readable_(loop, fd_.get(), event::Watch::Interest::kRead, [this] { read_ready(); }),
      writable_(loop, fd_.get(), event::Watch::Interest::kWrite, [this] { write_ready(); }),
      deadline_(loop, [this] { handler_.on_deadline(); }),
      failure_(loop, [this] { handler_.on_closed(failed_); }) {}

Stream::~Stream() = default;

void Stream::await_connection(std::function<void(int)> done) {
  connected_ = std::move(done);
  writable_.enable();
}

void Stream::read_ready() {
  const ssize_t n = ::recv(fd_.get(), read_buffer.data(), read_buffer.size(), 0);
  if (n > 0) return handler_.on_bytes({read_buffer.data(), static_cast<size_t>(n)});
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  const int error = n == 0 ? 0 : errno;
  readable_.disable();
  handler_.on_closed(error);
}

void Stream::fail(int error) {
  readable_.disable();
  writable_.disable();
  output_.clear();
  sent_ = 0;
  failed_ = error;
  failure_.schedule();
}

void Stream::send(std::span<const std::string_view> pieces) {
  if (failed_ != 0) return;
  size_t taken = 0;
  if (waiting() == 0 && pieces.size() <= kMostPieces) {
    std::array<iovec, kMostPieces> vectors;
    for (size_t i = 0; i < pieces.size(); ++i) vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = pieces.size();
    const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return fail(errno);
    if (n > 0) taken = static_cast<size_t>(n);
  }
  for (const auto piece : pieces) {
    const size_t skipped = std::min(taken, piece.size());
    taken -= skipped;
    output_.append(piece.substr(skipped));
  }
  if (waiting() > 0) writable_.enable();
}

void Stream::write_ready() {
  if (connected_) {
    writable_.disable();
    return std::exchange(connected_, nullptr)(connect_error(fd_.get()));
  }
  const ssize_t n = ::send(fd_.get(), output_.data() + sent_, waiting(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && errno != EAGAIN && errno != EINTR) return fail(errno);
  if (n > 0) sent_ += static_cast<size_t>(n);
  if (waiting() > 0) return;
  writable_.disable();
  sent_ = 0;
  std::string().swap(output_);
  handler_.on_drained();
}

Listener::Listener(event::Loop& loop, os::UniqueFd fd, std::function<void(os::UniqueFd)> accepted)
    : fd_(std::move(fd)),
      accepted_(std::move(accepted)),
      readable_(loop, fd_.get(), event::Watch::Interest::kRead, [this] { accept_some(); }),
      rest_(loop, [this] { readable_.enable(); }) {
  readable_.enable();
}

void Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn && readable_.enabled(); ++i) {
    os::UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      accepted_(std::move(fd));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      readable_.disable();
      rest_.set(std::chrono::seconds(1));
    }
    if (errno != EINTR && errno != ECONNABORTED) return;
  }
}

}  // namespace hikyaku::net
