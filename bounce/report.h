// The report that tells a sender that a message was not delivered; or, where that was asked for, that it was handed to
// a server that will not say more (rows 36, 52, 53; RFC 3461, 3464, 6522, 3834).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hikyaku::bounce {

// The key `bounce_format`.
enum class ReportFormat {
  kMultipart,  // row 53: multipart/report with a part for programs
  kSimple,     // row 52: one plain text
};

struct ReportedRecipient {
  std::string address;
  std::string original_recipient;  // ORCPT as given in the command ("rfc822;user+2B1@example.com"), empty when not
  std::string status;        // "5.1.1"; what is no status becomes 5.0.0, or 4.4.7 when expired; of class 2: handed on
  std::string remote_mta;    // host name of the next hop that answered; empty when it was our own verdict
  std::string reason;        // its reply, "550 5.1.1 No such user", or why there was none
  int64_t last_attempt = 0;  // microseconds since 1970; 0 when none was made
  bool expired = false;      // given up because the retry period ended (row 36)

  bool is_relayed() const { return status.starts_with('2'); }
};

struct ReportFacts {
  std::string our_name;     // myhostname
  std::string queue_id;     // of the message that failed
  std::string sender;       // envelope sender of that message: to it the report goes. Empty: to postmaster
  std::string envelope_id;  // ENVID as given in the command (xtext)
  int64_t arrival = 0;      // microseconds since 1970
  int64_t now = 0;          // the same
  int utc_offset = 0;       // seconds east of Greenwich
  std::vector<ReportedRecipient> recipients;  // at least one
  ReportFormat format = ReportFormat::kMultipart;
  size_t size_limit = 50000;  // bounce_size_limit, bytes: a larger original is returned as its header, at most so long
  bool headers_only = false;  // RET=HDRS (RFC 3461 section 4.3); where nothing failed, it is always so
  bool smtputf8 = false;      // the original was sent with SMTPUTF8, so its header may have UTF-8
};

struct Report {
  std::string content;     // complete message, CRLF line ends, lines of at most 998 bytes
  bool eight_bit = false;  // has a byte above 127: BODY=8BITMIME
  bool smtputf8 = false;   // its own header has UTF-8: it needs SMTPUTF8 (RFC 6531), as the sender's address does
};

// `original`: content of the message that failed. The report is deliverable whatever stands in `original` and in the
// facts, and its boundary occurs in none of its parts.
Report make_report(const ReportFacts& facts, std::string_view original);

}  // namespace hikyaku::bounce
