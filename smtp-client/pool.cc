// All destinations.
#include "smtp-client/pool.h"

#include <algorithm>
#include <utility>

#include "smtp-client/demand.h"

namespace hikyaku::smtp_client {

Pool::Pool(Surroundings around)
    : around_(around),
      resolver_(around.loop, around.config.address_family),
      look_(around.loop, [this] { look_again(); }),
      tidy_(around.loop, [this] { tidy(); }) {}

Pool::~Pool() = default;

Destination& Pool::destination_of(const ipc::Deliver& deliver) {
  std::string key(deliver.next_hop_host);
  key += deliver.no_mx ? ':' : ' ';
  key += std::to_string(deliver.next_hop_port);
  std::unique_ptr<Destination>& destination = destinations_[key];
  if (!destination)
    destination = std::make_unique<Destination>(around_.config, around_.sink, *this, std::string(deliver.next_hop_host),
                                                deliver.next_hop_port, deliver.no_mx);
  return *destination;
}

void Pool::deliver(std::unique_ptr<Job> job) {
  Destination& destination = destination_of(job->deliver);
  destination.add(std::move(job));
}

void Pool::return_waiting(std::string_view reason) {
  for (auto& [key, destination] : destinations_) destination->return_waiting(reason);
}

void Pool::drain() {
  for (auto& [key, destination] : destinations_) destination->drain();
}

void Pool::look_up(const std::string& host, bool no_mx, Resolver::Done done) {
  resolver_.look_up(host, no_mx, std::move(done));
}

std::unique_ptr<Carrier> Pool::make_connection(CarrierOwner& owner, const std::string& host, uint16_t port,
                                               const std::vector<net::Address>& addresses) {
  ++connections_;
  return std::make_unique<Connection>(around_, owner, host, port, addresses);
}

void Pool::bury(std::unique_ptr<Carrier> connection) {
  --connections_;
  buried_.push_back(std::move(connection));
  tidy_.schedule();
}

// While there are no more connections than may be idle, nothing needs to be counted.
void Pool::connection_idle() {
  if (connections_ > around_.config.idle_connections) tidy_.schedule();
}

void Pool::look_soon() {
  if (!look_.armed()) look_.set(kLongWait);
}

void Pool::look_again() {
  for (auto& [key, destination] : destinations_) destination->look_again();
}

void Pool::tidy() {
  buried_.clear();
  if (connections_ > around_.config.idle_connections) keep_idle_bound();
  std::erase_if(destinations_, [](const auto& each) { return each.second->unused(); });
}

void Pool::keep_idle_bound() {
  struct Idle {
    Destination* destination;
    Carrier* connection;
  };
  std::vector<Idle> idle;
  for (auto& [key, destination] : destinations_)
    destination->each_idle([&](Carrier& each) { idle.push_back({destination.get(), &each}); });
  if (idle.size() <= around_.config.idle_connections) return;
  std::ranges::sort(idle, {}, [](const Idle& each) { return each.connection->idle_since(); });
  idle.resize(idle.size() - around_.config.idle_connections);
  for (const Idle& each : idle) each.destination->retire(*each.connection);
}

}  // namespace hikyaku::smtp_client
