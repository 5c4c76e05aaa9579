// Name lookup in threads.
#include "smtp-client/resolver.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <idn2.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "os/clock.h"
#include "util/text.h"

namespace hikyaku::smtp_client {

namespace {

constexpr auto kKnownFor = std::chrono::seconds(60);
constexpr size_t kMostKnown = 10'000;
constexpr size_t kMostThreads = 16;

struct Found {
  std::string name;
  Resolver::Answer answer;
};

// What a name beyond ASCII is called in the DNS (IDNA 2008); nothing when it can be no name there.
std::optional<std::string> dns_name(const std::string& name) {
  if (util::is_ascii(name)) return name;
  char* found = nullptr;
  if (::idn2_to_ascii_8z(name.c_str(), &found, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK) return std::nullopt;
  const std::unique_ptr<char, decltype(&::idn2_free)> owner(found, ::idn2_free);
  return found;
}

Resolver::Answer ask_system(const std::string& name, int family) {
  const auto wanted = dns_name(name);
  if (!wanted) return util::permanent("not a name that the DNS can have");
  // "127.0x1" and digits of other scripts: the system would take them for addresses, and those need brackets.
  in_addr address;
  if (::inet_aton(wanted->c_str(), &address) != 0) return util::permanent("not a name but an address");
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(wanted->c_str(), nullptr, &hints, &list);
  if (error != 0) {
    const bool absent = error == EAI_NONAME || error == EAI_NODATA || error == EAI_ADDRFAMILY;
    return std::unexpected(util::Error{::gai_strerror(error), absent});
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  std::vector<net::Address> addresses;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next)
    addresses.emplace_back(each->ai_addr, each->ai_addrlen);
  return addresses;
}

// Hands the answer to the loop; when that is gone, the answer goes too.
void tell(int fd, std::unique_ptr<Found> found) {
  Found* raw = found.get();
  if (::send(fd, &raw, sizeof raw, MSG_NOSIGNAL) == sizeof raw) (void)found.release();
}

std::optional<net::Address> numeric(std::string_view name) {
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  return net::Address::parse(name, 0);
}

// RFC 6761 section 6.3: these names are this machine, and nobody is asked about them, so that no hosts file is needed
// either.
std::vector<net::Address> this_machine(std::string_view name, int family) {
  std::vector<net::Address> addresses;
  if (!util::iequals(name, "localhost") && !util::iends_with(name, ".localhost")) return addresses;
  for (const std::string_view address : {"127.0.0.1", "::1"}) {
    const auto parsed = net::Address::parse(address, 0);
    if (family == AF_UNSPEC || parsed->family() == family) addresses.push_back(*parsed);
  }
  return addresses;
}

}  // namespace

Resolver::Resolver(event::Loop& loop, int family)
    : family_(family),
      answers_([this] {
        int ends[2] = {-1, -1};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
          throw util::StartupError("cannot make a socket pair", util::kExitSoftware);
        threads_end_.reset(ends[1]);
        ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
        return os::UniqueFd(ends[0]);
      }()),
      readable_(loop, answers_.get(), event::Watch::Interest::kRead, [this] { answers_ready(); }) {
  readable_.enable();
}

Resolver::~Resolver() {
  Found* raw = nullptr;
  while (::recv(answers_.get(), &raw, sizeof raw, 0) == sizeof raw) std::unique_ptr<Found>(raw).reset();
}

void Resolver::look_up(const std::string& name, bool, Done done) {
  if (const auto address = numeric(name)) return done(std::vector{*address});
  if (auto addresses = this_machine(name, family_); !addresses.empty()) return done(std::move(addresses));
  const std::string key = util::to_lower(name);
  if (const auto found = known_.find(key); found != known_.end()) {
    if (os::monotonic_now() < found->second.until) return done(found->second.addresses);
    known_.erase(found);
  }
  const auto [asked, is_new] = asked_.try_emplace(key);
  asked->second.push_back(std::move(done));
  if (is_new) start_thread(key);
}

void Resolver::start_thread(const std::string& name) {
  if (threads_ >= kMostThreads) return waiting_.push_back(name);
  os::UniqueFd out(::fcntl(threads_end_.get(), F_DUPFD_CLOEXEC, 0));
  ++threads_;
  try {
    // Detached, because a lookup can outlast the loop by half a minute: so it owns all that it touches.
    std::thread([name, family = family_, end = std::move(out)] {
      tell(end.get(), std::make_unique<Found>(Found{name, ask_system(name, family)}));
    }).detach();
  } catch (const std::system_error&) {
    tell(threads_end_.get(), std::make_unique<Found>(Found{name, util::temporary("no thread for the lookup")}));
  }
}

void Resolver::answers_ready() {
  Found* raw = nullptr;
  while (::recv(answers_.get(), &raw, sizeof raw, 0) == sizeof raw) {
    const std::unique_ptr<Found> found(raw);
    --threads_;
    answered(found->name, found->answer);
    if (waiting_.empty()) continue;
    const std::string next = std::move(waiting_.front());
    waiting_.pop_front();
    start_thread(next);
  }
}

void Resolver::answered(const std::string& name, const Answer& answer) {
  if (answer) {
    if (known_.size() >= kMostKnown) known_.clear();
    known_[name] = {*answer, os::monotonic_now() + kKnownFor};
  }
  auto asked = asked_.extract(name);
  if (asked.empty()) return;
  for (const Done& done : asked.mapped()) done(answer);
}

}  // namespace hikyaku::smtp_client
