// Every message of lib/ipc/messages.h, for what is tried with each of them.
#pragma once

#include <string>
#include <utility>

#include "ipc/messages.h"

namespace hikyaku::ipc {

template <class... Ts>
struct List {};

using AllMessages =
    List<Hello, Submit, Stored, Refused, Follow, Appended, BeginBody, BodyFile, BodyDone, BodyDropped, FreeBody,
         FreeSegment, MoveRecords, RecordsMoved, IndexRoom, Available, OpenSegment, CloseSegment, Deliver, Results,
         Recorded, Returned, MakeReport, ReportStored, ListQueue, QueueEntry, EndOfList, Act, Acted, ShowMessage,
         MessageShown, Start, Ready, CannotRun, Reload, Drain, Ping, Pong, AskMaster, MasterAnswer>;

template <class Visitor, class... Ts>
void for_each_message(List<Ts...>, Visitor&& visit) {
  (visit.template operator()<Ts>(), ...);
}
template <class Visitor>
void for_each_message(Visitor&& visit) {
  for_each_message(AllMessages{}, std::forward<Visitor>(visit));
}

template <class T>
std::string encoded(const T& value) {
  std::string bytes;
  encode(value, bytes);
  return bytes;
}

}  // namespace hikyaku::ipc
