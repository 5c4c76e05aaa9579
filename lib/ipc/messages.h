// Every message between daemons, one struct each; the list of fields is the whole definition (codec.h).
//
// Who talks to whom (the arrow points at the one that listens):
//   smtpd, bounce ─Submit▶ cleanup        qmgr ─Follow▶ cleanup        smtp-client, bounce ─▶ qmgr
//   smtpd ─BeginBody▶ cleanup
//   hikyaku (the command) ─▶ master, qmgr                              master ─▶ every daemon, over the pipe it was
//   born with
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "ipc/codec.h"

namespace hikyaku::ipc {

inline constexpr uint32_t kProtocolVersion = 2;

// ---- the first frame of every connection, from both sides -------------------------------------------------------

enum class Role : uint8_t { kMaster, kSmtpd, kCleanup, kQmgr, kSmtpClient, kBounce, kControl, kLast = kControl };

struct Hello {
  static constexpr uint16_t kType = 1;
  uint32_t version = kProtocolVersion;
  Role role{};
  uint64_t epoch = 0;  // of the sender: changes with each of its starts
  int32_t pid = 0;
  static constexpr auto fields = std::tuple{&Hello::version, &Hello::role, &Hello::epoch, &Hello::pid};
};

// ---- to cleanup ---------------------------------------------------------------------------------------------------

// A whole message, to be made durable. Answered by Stored or Refused with the same request number.
struct Submit {
  static constexpr uint16_t kType = 10;
  uint64_t request = 0;
  uint32_t flags = 0;         // queue::kHasDotLine …
  std::string_view envelope;  // queue::append_envelope
  std::string_view content;   // CRLF lines, not dot-stuffed
  static constexpr auto fields = std::tuple{&Submit::request, &Submit::flags, &Submit::envelope, &Submit::content};
};
struct Stored {
  static constexpr uint16_t kType = 11;
  uint64_t request = 0;
  queue::QueueId id;
  static constexpr auto fields = std::tuple{&Stored::request, &Stored::id};
};
// Code 0: the disk failed in such a way that nobody knows whether the message will be found again. No answer may be
// given.
struct Refused {
  static constexpr uint16_t kType = 12;
  uint64_t request = 0;
  uint16_t code = 451;
  std::string_view enhanced;
  std::string_view text;
  static constexpr auto fields = std::tuple{&Refused::request, &Refused::code, &Refused::enhanced, &Refused::text};
};

// qmgr asks to be told what becomes durable.
struct Follow {
  static constexpr uint16_t kType = 13;
  uint8_t unused = 0;
  static constexpr auto fields = std::tuple{&Follow::unused};
};
struct AppendedEntry {
  queue::QueueId id;
  queue::Place place;
  std::string_view envelope;
  static constexpr auto fields = std::tuple{&AppendedEntry::id, &AppendedEntry::place, &AppendedEntry::envelope};
};
// The log is durable up to (segment, end). The entries are a hint that saves reading them: they are all that stands
// between (from_segment, from) and the end, so whoever has read up to there may take them, and anyone else reads the
// log.
struct Appended {
  static constexpr uint16_t kType = 14;
  uint32_t from_segment = 0;
  uint64_t from = 0;
  uint32_t segment = 0;
  uint64_t end = 0;
  std::vector<AppendedEntry> entries;
  static constexpr auto fields =
      std::tuple{&Appended::from_segment, &Appended::from, &Appended::segment, &Appended::end, &Appended::entries};
};
// A message that is too big for one frame: its body is to get a file of its own. Answered by BodyFile or Refused with
// the same request number; after BodyDone, by Stored or Refused.
struct BeginBody {
  static constexpr uint16_t kType = 16;
  uint64_t request = 0;
  uint64_t expected = 0;      // bytes of content as its sender announced them, 0 when it did not
  std::string_view envelope;  // queue::append_envelope
  std::string_view head;      // the content up to where the file goes on: at least the whole header
  static constexpr auto fields =
      std::tuple{&BeginBody::request, &BeginBody::expected, &BeginBody::envelope, &BeginBody::head};
};
// Comes with the file's descriptor, empty and for writing only.
struct BodyFile {
  static constexpr uint16_t kType = 17;
  uint64_t request = 0;
  static constexpr auto fields = std::tuple{&BodyFile::request};
};
// All of the content is there: so many bytes in the file.
struct BodyDone {
  static constexpr uint16_t kType = 18;
  uint64_t request = 0;
  uint64_t length = 0;
  uint32_t crc = 0;    // crc32c of the file
  uint32_t flags = 0;  // of the whole content: queue::kHasDotLine …
  static constexpr auto fields = std::tuple{&BodyDone::request, &BodyDone::length, &BodyDone::crc, &BodyDone::flags};
};
// The message will not be completed. No answer.
struct BodyDropped {
  static constexpr uint16_t kType = 19;
  uint64_t request = 0;
  static constexpr auto fields = std::tuple{&BodyDropped::request};
};
// The message is gone, and its body's file can go.
struct FreeBody {
  static constexpr uint16_t kType = 9;
  queue::QueueId id;
  static constexpr auto fields = std::tuple{&FreeBody::id};
};
// Nothing in this segment is alive any more.
struct FreeSegment {
  static constexpr uint16_t kType = 15;
  uint32_t segment = 0;
  static constexpr auto fields = std::tuple{&FreeSegment::segment};
};
// From qmgr, of a segment that holds much that is dead: copy these records to the log's end, flagged queue::kMoved, so
// that it can be freed. Answered by RecordsMoved with the same batch number, after the Appended that tells the copies.
struct RecordToMove {
  queue::QueueId id;
  queue::Place place;
  static constexpr auto fields = std::tuple{&RecordToMove::id, &RecordToMove::place};
};
struct MoveRecords {
  static constexpr uint16_t kType = 6;
  uint64_t batch = 0;
  std::vector<RecordToMove> records;
  static constexpr auto fields = std::tuple{&MoveRecords::batch, &MoveRecords::records};
};
// Not stored: there was no room, or the disk failed; to be asked again later. A damaged record has no copy.
struct RecordsMoved {
  static constexpr uint16_t kType = 7;
  uint64_t batch = 0;
  bool stored = false;
  std::vector<queue::QueueId> damaged;
  static constexpr auto fields = std::tuple{&RecordsMoved::batch, &RecordsMoved::stored, &RecordsMoved::damaged};
};
// From qmgr: whether the index takes more mail. Without room new mail is refused with 452 4.3.1.
struct IndexRoom {
  static constexpr uint16_t kType = 8;
  bool has_room = true;
  static constexpr auto fields = std::tuple{&IndexRoom::has_room};
};

// ---- between qmgr and its workers (smtp-client, bounce)
// ---------------------------------------------------------------

// A worker's first word on each connection: how much it can have in hand, and what it has or had in hand and qmgr may
// not know the end of. Said again, without the latter, when the number of slots changes.
struct InHand {
  queue::QueueId id;
  std::vector<uint32_t> recipients;  // indices in the envelope
  uint64_t job = 0;                  // as the former qmgr numbered it; answered under that number
  static constexpr auto fields = std::tuple{&InHand::id, &InHand::recipients, &InHand::job};
};
struct Available {
  static constexpr uint16_t kType = 20;
  uint32_t slots = 0;
  std::vector<InHand> in_hand;
  static constexpr auto fields = std::tuple{&Available::slots, &Available::in_hand};
};
// Comes with the segment's descriptor, read-only; before the first job that stands in it.
struct OpenSegment {
  static constexpr uint16_t kType = 21;
  uint32_t segment = 0;
  uint64_t nonce = 0;
  static constexpr auto fields = std::tuple{&OpenSegment::segment, &OpenSegment::nonce};
};
struct CloseSegment {
  static constexpr uint16_t kType = 22;
  uint32_t segment = 0;
  static constexpr auto fields = std::tuple{&CloseSegment::segment};
};
struct JobRecipient {
  uint32_t index = 0;  // in the envelope
  std::string_view address;
  std::string_view original_recipient;
  uint8_t notify = 0;  // queue::kNotifyNever …
  static constexpr auto fields = std::tuple{&JobRecipient::index, &JobRecipient::address,
                                            &JobRecipient::original_recipient, &JobRecipient::notify};
};
// Deliver the message to these recipients by this next hop: one transaction. Answered by Results or Returned. Comes
// with the descriptor of the message's body, read-only, when it has one (queue::kHasBody).
struct Deliver {
  static constexpr uint16_t kType = 23;
  uint64_t job = 0;
  queue::QueueId id;
  queue::Place place;
  int64_t arrival = 0;  // microseconds since 1970
  int64_t queued = 0;   // when qmgr took it up for this attempt, microseconds since 1970
  std::string_view next_hop_host;
  uint16_t next_hop_port = 25;
  bool no_mx = true;
  bool retry = false;  // not the first attempt
  std::string_view sender;
  bool eight_bit = false;
  bool smtputf8 = false;  // only a next hop with SMTPUTF8 can take it
  std::string_view envelope_id;
  std::string_view return_content;  // "FULL", "HDRS" or empty
  std::vector<JobRecipient> recipients;
  static constexpr auto fields = std::tuple{&Deliver::job,           &Deliver::id,
                                            &Deliver::place,         &Deliver::arrival,
                                            &Deliver::queued,        &Deliver::next_hop_host,
                                            &Deliver::next_hop_port, &Deliver::no_mx,
                                            &Deliver::retry,         &Deliver::sender,
                                            &Deliver::eight_bit,     &Deliver::smtputf8,
                                            &Deliver::envelope_id,   &Deliver::return_content,
                                            &Deliver::recipients};
};
enum class Outcome : uint8_t { kSent, kDeferred, kBounced, kLast = kBounced };
struct RecipientResult {
  uint32_t index = 0;
  Outcome outcome{};
  std::string_view status;      // enhanced status code
  std::string_view remote_mta;  // the host that said so, empty when none did
  std::string_view text;        // as logged: "host h[a] said: 450 4.2.0 … (in reply to RCPT TO command)"
  static constexpr auto fields =
      std::tuple{&RecipientResult::index, &RecipientResult::outcome, &RecipientResult::status,
                 &RecipientResult::remote_mta, &RecipientResult::text};
};
// Kept by the worker until qmgr's Recorded names its number, and sent again to the next qmgr otherwise.
struct Results {
  static constexpr uint16_t kType = 24;
  uint64_t number = 0;  // 1, 2, 3 … for each worker process
  uint64_t job = 0;
  queue::QueueId id;
  bool in_doubt = false;   // the connection died after the message was sent and before its reply came
  bool passed_on = false;  // the next hop knows DSN: it tells the sender of success (RFC 3461)
  std::vector<RecipientResult> recipients;
  static constexpr auto fields = std::tuple{&Results::number,   &Results::job,       &Results::id,
                                            &Results::in_doubt, &Results::passed_on, &Results::recipients};
};
// All answers up to this number are in the journal.
struct Recorded {
  static constexpr uint16_t kType = 25;
  uint64_t number = 0;
  static constexpr auto fields = std::tuple{&Recorded::number};
};
// No attempt was made: a missing place, a pooled connection that was dead. The job is qmgr's again, uncounted.
struct Returned {
  static constexpr uint16_t kType = 26;
  uint64_t job = 0;
  queue::QueueId id;
  std::string_view reason;
  static constexpr auto fields = std::tuple{&Returned::job, &Returned::id, &Returned::reason};
};

// Of class 2 is the status of one that was handed to a next hop that does not tell the sender (RFC 3461 section 5.2.2).
struct ReportedRecipient {
  uint32_t index = 0;
  std::string_view address;
  std::string_view original_recipient;
  std::string_view status;
  std::string_view remote_mta;
  std::string_view text;
  bool expired = false;
  int64_t last_attempt = 0;  // seconds since 1970
  static constexpr auto fields =
      std::tuple{&ReportedRecipient::index,   &ReportedRecipient::address,     &ReportedRecipient::original_recipient,
                 &ReportedRecipient::status,  &ReportedRecipient::remote_mta,  &ReportedRecipient::text,
                 &ReportedRecipient::expired, &ReportedRecipient::last_attempt};
};
// Tell the sender. Answered by ReportStored when the report is durable in the queue, by Returned when it could not be
// made. With the body's descriptor as in Deliver, if it can be opened.
struct MakeReport {
  static constexpr uint16_t kType = 27;
  uint64_t job = 0;
  queue::QueueId id;
  queue::Place place;
  int64_t arrival = 0;  // microseconds since 1970
  std::string_view sender;
  std::string_view envelope_id;
  std::vector<ReportedRecipient> recipients;
  static constexpr auto fields =
      std::tuple{&MakeReport::job,    &MakeReport::id,          &MakeReport::place,     &MakeReport::arrival,
                 &MakeReport::sender, &MakeReport::envelope_id, &MakeReport::recipients};
};
// Kept until it is recorded, as Results are.
struct ReportStored {
  static constexpr uint16_t kType = 28;
  uint64_t number = 0;  // 1, 2, 3 … for each worker process
  uint64_t job = 0;
  queue::QueueId id;
  queue::QueueId report;
  std::vector<uint32_t> recipients;  // indices in the envelope
  static constexpr auto fields = std::tuple{&ReportStored::number, &ReportStored::job, &ReportStored::id,
                                            &ReportStored::report, &ReportStored::recipients};
};

// ---- from the operator to qmgr
// ---------------------------------------------------------------------------------------

// Which messages: those named, or all; of them those that match every filter given (empty = any).
struct Selection {
  bool all = false;
  std::vector<std::string> ids;
  std::string sender, recipient, domain;
  static constexpr auto fields =
      std::tuple{&Selection::all, &Selection::ids, &Selection::sender, &Selection::recipient, &Selection::domain};
};
struct ListQueue {
  static constexpr uint16_t kType = 40;
  Selection selection;
  static constexpr auto fields = std::tuple{&ListQueue::selection};
};
struct ListedRecipient {
  std::string address;
  std::string delay_reason;
  static constexpr auto fields = std::tuple{&ListedRecipient::address, &ListedRecipient::delay_reason};
};
struct QueueEntry {
  static constexpr uint16_t kType = 41;
  queue::QueueId id;
  std::string queue_name;  // active, deferred, hold
  int64_t arrival = 0;     // seconds since 1970
  uint64_t size = 0;       // bytes
  std::string sender;
  uint32_t attempts = 0;
  int64_t next_attempt = 0;  // seconds since 1970
  int64_t expires = 0;
  std::string hold_reason;                  // why it was put on hold, unless an operator did
  std::vector<ListedRecipient> recipients;  // those not yet done
  static constexpr auto fields =
      std::tuple{&QueueEntry::id,          &QueueEntry::queue_name, &QueueEntry::arrival,      &QueueEntry::size,
                 &QueueEntry::sender,      &QueueEntry::attempts,   &QueueEntry::next_attempt, &QueueEntry::expires,
                 &QueueEntry::hold_reason, &QueueEntry::recipients};
};
// What of the queue could not be read for an answer, so that nobody takes the answer for all of it.
struct Unread {
  uint64_t messages = 0;           // known by their IDs
  std::vector<std::string> first;  // the first kMostNamed of them: ID, place and reason
  std::string part;                // why there may be more that nobody knows of; empty: there is not
  bool may_pass = false;           // another try may read more
  static constexpr size_t kMostNamed = 10;
  static constexpr auto fields = std::tuple{&Unread::messages, &Unread::first, &Unread::part, &Unread::may_pass};

  bool any() const { return messages > 0 || !part.empty(); }
};
// A listing comes in slices, so that a long one does not hold up mail: `count` entries are still to come, for which the
// next ListQueue asks.
struct EndOfList {
  static constexpr uint16_t kType = 42;
  uint64_t count = 0;
  Unread unread{};  // since the listing began
  static constexpr auto fields = std::tuple{&EndOfList::count, &EndOfList::unread};
};
enum class Verb : uint8_t { kRetry, kDelete, kHold, kRelease, kExpire, kLast = kExpire };
struct Act {
  static constexpr uint16_t kType = 43;
  Verb verb{};
  bool dry_run = false;
  Selection selection;
  static constexpr auto fields = std::tuple{&Act::verb, &Act::dry_run, &Act::selection};
};
// Answered when durable.
struct Acted {
  static constexpr uint16_t kType = 44;
  uint64_t count = 0;
  uint64_t on_the_wire = 0;          // of these, being delivered right now
  std::vector<std::string> unknown;  // IDs that name nothing in the queue
  Unread unread{};                   // to which nothing was done
  static constexpr auto fields = std::tuple{&Acted::count, &Acted::on_the_wire, &Acted::unknown, &Acted::unread};
};
struct ShowMessage {
  static constexpr uint16_t kType = 45;
  std::string id;
  static constexpr auto fields = std::tuple{&ShowMessage::id};
};
// Comes with the segment's descriptor when `found` and not `unread`, and then with the body's when there is one and it
// can be opened. What is `unread` may be found nevertheless: then the entry has what the index knows.
struct MessageShown {
  static constexpr uint16_t kType = 46;
  bool found = false;
  queue::QueueId id;
  queue::Place place;
  QueueEntry entry;
  Unread unread{};
  static constexpr auto fields = std::tuple{&MessageShown::found, &MessageShown::id, &MessageShown::place,
                                            &MessageShown::entry, &MessageShown::unread};
};

// ---- master and its daemons
// ----------------------------------------------------------------------------------------------

struct ListenerGiven {
  bool internet = true;  // else a Unix socket
  std::string address;   // as configured
  static constexpr auto fields = std::tuple{&ListenerGiven::internet, &ListenerGiven::address};
};
// The first frame to a new daemon: all that it is to be. With it come the listening sockets, in order, and last the
// log's descriptor when `log_to_file`.
struct Start {
  static constexpr uint16_t kType = 60;
  std::string service;   // "relay", "qmgr" …
  std::string program;   // "smtpd"
  std::string settings;  // config::Settings::to_snapshot(), with this service's -o
  uint64_t generation = 0;
  bool log_to_file = false;
  std::vector<ListenerGiven> listeners;
  static constexpr auto fields = std::tuple{&Start::service,    &Start::program,     &Start::settings,
                                            &Start::generation, &Start::log_to_file, &Start::listeners};
};
struct Ready {
  static constexpr uint16_t kType = 61;
  uint64_t generation = 0;
  static constexpr auto fields = std::tuple{&Ready::generation};
};
// The daemon cannot run; it ends after this.
struct CannotRun {
  static constexpr uint16_t kType = 62;
  std::string reason;
  int32_t exit_code = 0;
  static constexpr auto fields = std::tuple{&CannotRun::reason, &CannotRun::exit_code};
};
// New settings, for the daemons that stay (cleanup, qmgr); a log descriptor comes along when `log_to_file`.
struct Reload {
  static constexpr uint16_t kType = 63;
  std::string settings;
  uint64_t generation = 0;
  bool log_to_file = false;
  static constexpr auto fields = std::tuple{&Reload::settings, &Reload::generation, &Reload::log_to_file};
};
// Take nothing new, finish what is in hand, end; at the latest after so many milliseconds.
struct Drain {
  static constexpr uint16_t kType = 64;
  uint32_t within = 0;
  static constexpr auto fields = std::tuple{&Drain::within};
};
struct Ping {
  static constexpr uint16_t kType = 65;
  uint64_t number = 0;
  static constexpr auto fields = std::tuple{&Ping::number};
};
struct Pong {
  static constexpr uint16_t kType = 66;
  uint64_t number = 0;
  static constexpr auto fields = std::tuple{&Pong::number};
};

// ---- from the operator to master
// --------------------------------------------------------------------------------------------

enum class MasterVerb : uint8_t { kStatus, kReload, kStop, kAbort, kLast = kAbort };
struct AskMaster {
  static constexpr uint16_t kType = 80;
  MasterVerb verb{};
  static constexpr auto fields = std::tuple{&AskMaster::verb};
};
struct ServiceStatus {
  std::string name;
  std::string state;  // starting, running, draining, waiting (to be restarted)
  std::vector<int32_t> pids;
  uint64_t restarts = 0;
  static constexpr auto fields =
      std::tuple{&ServiceStatus::name, &ServiceStatus::state, &ServiceStatus::pids, &ServiceStatus::restarts};
};
// `text` has one line per problem; it is empty when all went well.
struct MasterAnswer {
  static constexpr uint16_t kType = 81;
  int32_t exit_code = 0;
  std::string text;
  std::vector<ServiceStatus> services;
  static constexpr auto fields = std::tuple{&MasterAnswer::exit_code, &MasterAnswer::text, &MasterAnswer::services};
};

}  // namespace hikyaku::ipc
