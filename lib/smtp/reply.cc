// SMTP replies.
#include "smtp/reply.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <utility>

#include "util/text.h"

namespace hikyaku::smtp {
namespace {

// RFC 5321 section 4.5.3.1.5, CRLF included.
constexpr size_t kMaxReplyLine = 512;

void append_code(std::string& out, int code) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, code).ptr;
  out.append(digits, end);
}

}  // namespace

std::string Reply::line() const {
  std::string out;
  if (code != 0) append_code(out, code);
  for (const std::string* part : {&enhanced, &text}) {
    if (part->empty()) continue;
    if (!out.empty()) out += ' ';
    out += *part;
  }
  return out;
}

void append_reply(std::string& wire, int code, std::string_view enhanced, std::string_view text) {
  const size_t start = wire.size();
  append_code(wire, code);
  wire += ' ';
  if (!enhanced.empty()) {
    wire += enhanced;
    wire += ' ';
  }
  wire += text.substr(0, kMaxReplyLine);
  if (wire.size() > start + kMaxReplyLine - 2) wire.resize(start + kMaxReplyLine - 2);
  for (char& c : std::span(wire).subspan(start)) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7F) c = ' ';
    if (octet > 0x7F) c = '?';
  }
  wire += "\r\n";
}

void append_reply(std::string& wire, const Reply& reply) { append_reply(wire, reply.code, reply.enhanced, reply.text); }

std::string_view enhanced_code_of(int code, std::string_view text) {
  if (text.size() < 5 || text[0] != static_cast<char>('0' + code / 100) || text[1] != '.') return {};
  size_t end = 2;
  for (int part = 0; part < 2; ++part) {
    const size_t begin = end;
    while (end < text.size() && util::is_digit(text[end])) ++end;
    if (end == begin || end - begin > 3) return {};
    if (part == 0 && (end == text.size() || text[end++] != '.')) return {};
  }
  return end == text.size() || text[end] == ' ' ? text.substr(0, end) : std::string_view();
}

ReplyParser::Status ReplyParser::parse(std::string_view& bytes) {
  while (!bytes.empty()) {
    const size_t lf = bytes.find('\n');
    std::string_view line = bytes.substr(0, lf);
    bytes.remove_prefix(lf == bytes.npos ? bytes.size() : lf + 1);
    if (lf == bytes.npos || !line_.empty()) keep(line);
    if (lf == bytes.npos) return Status::kNeedMore;
    if (!line_.empty()) line = line_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!read_line(line)) {
      line_ = std::string(line.substr(0, kMaxReplyText));
      return Status::kMalformed;
    }
    line_.clear();
    if (last_) return Status::kReply;
  }
  return Status::kNeedMore;
}

Reply ReplyParser::take(char joint) {
  last_ = false;
  Reply reply = std::exchange(reply_, Reply());
  if (joint != '\n') std::ranges::replace(reply.text, '\n', joint);
  return reply;
}

// Room for the code, a CR, and a text of which append_text() sees that it is too long.
void ReplyParser::keep(std::string_view piece) {
  constexpr size_t kMaxLine = kMaxReplyText + 16;
  line_.append(piece.substr(0, kMaxLine - std::min(kMaxLine, line_.size())));
}

bool ReplyParser::read_line(std::string_view line) {
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !util::is_digit(line[1]) || !util::is_digit(line[2]))
    return false;
  const char separator = line.size() == 3 ? ' ' : line[3];
  if (separator != ' ' && separator != '-') return false;
  const int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  const bool first = reply_.code == 0;
  if (!first && code != reply_.code) return false;
  std::string_view text = line.substr(std::min<size_t>(line.size(), 4));
  const std::string_view enhanced = enhanced_code_of(code, text);
  if (first) {
    reply_.code = code;
    reply_.enhanced = enhanced;
  }
  // Servers repeat the enhanced code on every line; one that differs is news and stays in the text.
  if (!enhanced.empty() && enhanced == reply_.enhanced) {
    text.remove_prefix(enhanced.size());
    if (text.starts_with(' ')) text.remove_prefix(1);
  }
  if (!first) append_text("\n");
  append_text(text);
  last_ = separator == ' ';
  return true;
}

void ReplyParser::append_text(std::string_view text) {
  const size_t start = reply_.text.size();
  reply_.text.append(text.substr(0, kMaxReplyText - std::min(kMaxReplyText, start)));
  std::replace_if(
      reply_.text.begin() + static_cast<std::ptrdiff_t>(start), reply_.text.end(),
      [](char c) { return c == '\0' || c == '\r'; }, '?');
}

}  // namespace hikyaku::smtp
