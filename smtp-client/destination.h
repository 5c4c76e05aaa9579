// One next hop: the jobs that wait for it and the connections to it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "smtp-client/carrier.h"
#include "smtp-client/config.h"
#include "smtp-client/demand.h"
#include "smtp-client/resolver.h"

namespace hikyaku::smtp_client {

// What a destination needs of the pool that it is part of.
class DestinationKeeper {
 public:
  // As Resolver::look_up().
  virtual void look_up(const std::string& host, bool no_mx, Resolver::Done done) = 0;
  // A connection, not yet told to open.
  virtual std::unique_ptr<Carrier> make_connection(CarrierOwner& owner, const std::string& host, uint16_t port,
                                                   const std::vector<net::Address>& addresses) = 0;
  // One that has gone, to be destroyed when nobody is inside it any more.
  virtual void bury(std::unique_ptr<Carrier> connection) = 0;
  virtual void connection_idle() = 0;
  // Call look_again() soon.
  virtual void look_soon() = 0;
  // The destination may have become unused.
  virtual void tidy_soon() = 0;

 protected:
  ~DestinationKeeper() = default;
};

class Destination final : public CarrierOwner {
 public:
  Destination(const Config& config, JobSink& sink, DestinationKeeper& keeper, std::string host, uint16_t port,
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
    for (Carrier* each : free_)
      if (each->idle()) visit(*each);
  }
  // Ends an idle connection.
  void retire(Carrier& connection);

 private:
  void not_opened(Carrier& connection, const Verdict& verdict, std::string_view relay) override;
  void ready(Carrier& connection) override;
  void became_idle(Carrier& connection) override;
  void idle_too_long(Carrier& connection) override { retire(connection); }
  void closed(Carrier& connection) override;
  void give_back(std::unique_ptr<Job> job) override;

  void hand_out();
  void open_more();
  size_t opening() const;
  size_t wanted() const;
  void found(const Resolver::Answer& answer);
  void open(size_t count, const std::vector<net::Address>& addresses);
  void could_not_open();
  std::unique_ptr<Job> next_job();
  std::unique_ptr<Carrier> remove(Carrier& connection);
  template <class VerdictOf>
  void fail_waiting(std::string_view relay, event::Duration connecting, VerdictOf&& verdict_of);

  const Config& config_;
  JobSink& sink_;
  DestinationKeeper& keeper_;
  const std::string host_;
  const uint16_t port_;
  const bool no_mx_;

  std::deque<std::unique_ptr<Job>> waiting_;
  std::vector<std::unique_ptr<Carrier>> connections_;  // being opened or open
  std::vector<std::unique_ptr<Carrier>> leaving_;      // QUIT is said
  std::vector<Carrier*> free_;                         // ready and without a next job, in the order of becoming so
  std::vector<Freedom> freedoms_;                      // of free_, while choosing
  bool looking_up_ = false;
  bool draining_ = false;
  event::Monotonic open_not_before_{};
};

}  // namespace hikyaku::smtp_client
