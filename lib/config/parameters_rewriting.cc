// Parameter rows: what happens to a message's header and envelope, its copies and its bounces.
#include "config/parameter_rows.h"

namespace hikyaku::config::rows {
namespace {

constexpr Row kRows[] = {
    choice("received_header", "abbreviated", "abbreviated normal none strip",
           "The Received header of this system: without the client's address, in full, none, or none and all others "
           "removed too.")
        .works(),
    text("sender_rewrite", "",
         "What the envelope sender becomes: user@domain, or @domain (or just the domain) to keep the local part. "
         "Empty: unchanged."),
    table("sender_rewrite_maps", "",
          "Tables from the domain of the From header to a value as of sender_rewrite, which they win over."),
    yes_no("bounce_forward_to_sender", false, "Forwards bounces that come back to the sender before rewriting."),
    text("bcc_host", "", "The host that takes a copy of all mail received. Excludes forward_filters."),
    number("bcc_port", "25", 1, 65535, "The port of bcc_host."),
    text("forward_filters", "", "The file of rules that copy or redirect mail by its header. Excludes bcc_host."),
    choice("bounce_format", "multipart/report", "multipart/report simple",
           "The form of bounces: RFC 3464, or one plain text.")
        .works(),
    duration("delay_warning_time", "0h", Unit::kHours, std::chrono::milliseconds(0), kYear,
             "The age at which a sender is told that mail is still waiting. 0: never."),
    size("bounce_size_limit", "50000", 0, kUnlimited,
         "How much of a message a bounce returns; the header alone when the message is longer.")
        .works(),
    list("notify_classes", "resource, software", "What the postmaster is told of.")
        .of("bounce 2bounce data delay policy protocol resource software"),
    text("bounce_template_file", "", "A file with the words of bounces."),
    needed_text("postmaster_address", "postmaster",
                "Who gets what comes back and is not understood; a local name leads through alias_maps."),
    yes_no("disable_mime_output_conversion", false,
           "Sends 8-bit content as it is to a next hop that does not offer 8BITMIME, instead of converting it to "
           "quoted-printable.")
        .works(),
};

}  // namespace

std::span<const Row> rewriting_and_bounces() { return kRows; }

}  // namespace hikyaku::config::rows
