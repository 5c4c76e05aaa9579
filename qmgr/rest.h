// A message as memory has it and as the index keeps it: one made from the other. Pure.
#pragma once

#include "qmgr/message.h"
#include "queue/index_format.h"

namespace hikyaku::qmgr {

// What the index is to keep. Nothing of the message may be on its way: a recipient that is ready or in somebody's hand
// is kept as one that is due.
queue::RestingMessage to_resting(const Message& message);

// The other way round. The index knows no addresses, so each recipient's is only "@domain" until the envelope is read
// from the log: for take_envelope().
Message from_resting(const queue::RestingMessage& resting);
// False when the envelope is another message's: it has not as many recipients.
bool take_envelope(Message& message, queue::Envelope&& envelope);

// As it comes back from the index, where long texts are cut.
queue::RestingMessage as_kept(const queue::RestingMessage& resting);

}  // namespace hikyaku::qmgr
