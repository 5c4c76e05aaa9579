// One next hop: the jobs that wait for it and the connections to it.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "smtp-client/connection.h"
#include "smtp-client/demand.h"
#include "smtp-client/resolver.h"

namespace hikyaku::smtp_client {

// What a destination needs of the pool that it is part of.
class DestinationKeeper {
 public:
  virtual void connection_made() = 0;
  // A connection that has gone, to be destroyed when nobody is inside it any more.
  virtual void bury(std::unique_ptr<Connection> connection) = 0;
  virtual void connection_idle() = 0;
  // Call look_again() soon.
  virtual void look_soon() = 0;
  // The destination may have become unused.
  virtual void tidy_soon() = 0;

 protected:
  ~DestinationKeeper() = default;
};

class Destination final : public ConnectionOwner {
 public:
  Destination(Surroundings& around, Resolver& resolver, DestinationKeeper& keeper, std::string host, uint16_t port,
              bool no_mx);

  void add(std::unique_ptr<Job> job);
  // Jobs that have waited long deserve more connections.
  void look_again();
  // Nothing waits, nothing is open.
  bool unused() const { return waiting_.empty() && connections_.empty() && leaving_.empty() && !looking_up_; }

  // Gives all waiting jobs back.
  void return_waiting(std::string_view reason);
  // The same, for good; connections end as soon as nothing runs on them.
  void drain();

  template <class Visitor>
  void each_idle(Visitor&& visit) const {
    for (Connection* each : free_)
      if (each->idle()) visit(*each);
  }
  // Ends an idle connection.
  void retire(Connection& connection);

 private:
  void opened(Connection& connection) override;
  void not_opened(Connection& connection, const Verdict& verdict, std::string_view relay) override;
  void ready(Connection& connection) override;
  void became_idle(Connection& connection) override;
  void idle_too_long(Connection& connection) override { retire(connection); }
  void closed(Connection& connection) override;
  void give_back(std::unique_ptr<Job> job) override;

  void hand_out();
  void open_more();
  size_t wanted() const;
  void found(const Resolver::Answer& answer);
  void open(size_t count, const std::vector<net::Address>& addresses);
  void could_not_open();
  std::unique_ptr<Job> next_job();
  std::unique_ptr<Connection> remove(Connection& connection);
  template <class VerdictOf>
  void fail_waiting(std::string_view relay, VerdictOf&& verdict_of);

  Surroundings& around_;
  Resolver& resolver_;
  DestinationKeeper& keeper_;
  const std::string host_;
  const uint16_t port_;
  const bool no_mx_;

  std::deque<std::unique_ptr<Job>> waiting_;
  std::vector<std::unique_ptr<Connection>> connections_;  // being opened or open
  std::vector<std::unique_ptr<Connection>> leaving_;      // QUIT is said
  std::vector<Connection*> free_;                         // ready and without a next job, in the order of becoming so
  std::vector<Freedom> freedoms_;                         // of free_, while choosing
  size_t opening_ = 0;
  bool looking_up_ = false;
  bool draining_ = false;
  event::Monotonic open_not_before_{};
};

}  // namespace hikyaku::smtp_client
