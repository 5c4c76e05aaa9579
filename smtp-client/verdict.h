// From what the SMTP session says to what qmgr and the log are told. Pure.
#pragma once

#include <string_view>

#include "smtp-client/job.h"
#include "smtp/client_session.h"
#include "util/error.h"

namespace hikyaku::smtp_client {

// `host` is "name[address]", `name` what a report calls the host.
Verdict verdict_of(const smtp::DeliveryResult& result, std::string_view host, std::string_view name);

// No connection: "connect to host[ip]:port: Connection refused" (4.4.1). `relay` is "host[ip]:port", `error` an errno
// value.
Verdict unreachable(std::string_view relay, int error);

// The next hop's name was not found, or could not be looked up.
//
// A name that does not exist is final (5.4.4) only where it is the recipient's own domain, which the sender can
// mistype. Any other next hop was configured here: then the mistake is the operator's, and the mail waits for its
// correction.
Verdict not_found(std::string_view host, const util::Error& error, const Job& job);

}  // namespace hikyaku::smtp_client
