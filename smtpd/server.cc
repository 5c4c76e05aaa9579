// smtpd: the SMTP server of one service.
#include "smtpd/server.h"

namespace hikyaku::smtpd {

Server::Server(service::Context& context)
    : context_(context),
      config_(read_config(context.settings(), context.service())),
      read_on_(context.loop(),
               [this] {
                 for (auto& [key, connection] : connections_) connection->read_on();
               }),
      budget_([this] { read_on_.schedule(); }),
      clients_(config_.clients),
      queue_(context.loop(), budget_, [this] { listen(); }),
      surroundings_{context.loop(),
                    context.logger(),
                    config_,
                    queue_,
                    budget_,
                    clients_,
                    disk_,
                    [this](Connection& connection) {
                      ended_.push_back(&connection);
                      bury_.schedule();
                    }},
      bury_(context.loop(), [this] { bury(); }) {}

void Server::listen() {
  if (draining_ || !listeners_.empty()) return;
  for (service::GivenListener& given : context_.listeners()) {
    const uint16_t port = net::local_of(given.fd.get()).port();
    listeners_.push_back(std::make_unique<net::Listener>(
        context_.loop(), std::move(given.fd), [this, port](os::UniqueFd fd) { accepted(std::move(fd), port); }));
  }
  context_.ready();
}

void Server::accepted(os::UniqueFd fd, uint16_t port) {
  auto connection = std::make_unique<Connection>(surroundings_, std::move(fd), port);
  Connection* started = connection.get();
  connections_.emplace(started, std::move(connection));
  started->start();
}

// Connections that ended in this turn: nothing of theirs is on the stack any more.
void Server::bury() {
  for (Connection* connection : std::exchange(ended_, {})) connections_.erase(connection);
  if (draining_ && connections_.empty()) context_.finish();
}

// Who has more time than a silent client is given may let its sessions come to their own end: a reload loses none
// (row 29). Otherwise they are told to come again later.
void Server::drain(event::Duration within) {
  draining_ = true;
  listeners_.clear();
  if (within < config_.timeout)
    for (auto& [key, connection] : connections_) connection->shut_down();
  bury_.schedule();
}

}  // namespace hikyaku::smtpd
