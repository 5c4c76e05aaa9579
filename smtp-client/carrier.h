// What a destination sees of its connections, and they of it: the seam at which its bookkeeping is tested without a
// socket.
#pragma once

#include <memory>
#include <string_view>

#include "event/loop.h"
#include "smtp-client/job.h"

namespace hikyaku::smtp_client {

// Takes jobs to the next hop, one after the other.
//
// Its life: it is being opened until it is_open(), which it tells by its first ready(); and it ends exactly once, by
// not_opened() or by closed(), whatever the server does.
class Carrier {
 public:
  virtual ~Carrier() = default;

  // May end it inside the call.
  virtual void open() = 0;
  // Only after ready().
  virtual void start(std::unique_ptr<Job> job) = 0;
  // As soon as nothing runs. May end it inside the call.
  virtual void quit() = 0;

  virtual bool is_open() const = 0;
  virtual bool idle() const = 0;
  virtual event::Monotonic idle_since() const = 0;
  virtual event::Monotonic begun() const = 0;  // opening it
};

// The carrier's destination. The carrier must outlive each of these calls.
class CarrierOwner {
 public:
  // The end of one that was never open, and was not told to quit: none of the addresses took us. `verdict` is of the
  // last one, `relay` names it if it was reached, else "none".
  virtual void not_opened(Carrier& carrier, const Verdict& verdict, std::string_view relay) = 0;
  // It can take a job: start() one, now or later.
  virtual void ready(Carrier& carrier) = 0;
  // Nothing runs on it any more.
  virtual void became_idle(Carrier& carrier) = 0;
  // Nothing has run on it for longer than is allowed.
  virtual void idle_too_long(Carrier& carrier) = 0;
  // The end of any other; its jobs were answered.
  virtual void closed(Carrier& carrier) = 0;
  // The connection was gone before the message was offered: not an attempt.
  virtual void give_back(std::unique_ptr<Job> job) = 0;

 protected:
  ~CarrierOwner() = default;
};

}  // namespace hikyaku::smtp_client
