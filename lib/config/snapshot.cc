// Settings as bytes, for a child process that must see exactly what its parent checked.
#include <string>

#include "config/settings.h"
#include "util/text.h"

namespace hikyaku::config {
namespace {

constexpr std::string_view kMagic = "hikyaku settings 1\n";

// "5:hello," — a length in front, so that a field may hold any byte.
void append_field(std::string& out, std::string_view field) {
  out.append(std::to_string(field.size())).append(":").append(field).append(",");
}

class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }
  std::optional<std::string> next() {
    const size_t colon = rest_.find(':');
    const auto length = util::parse_number(rest_.substr(0, colon));
    if (colon == std::string_view::npos || !length) return std::nullopt;
    rest_.remove_prefix(colon + 1);
    if (rest_.size() <= *length || rest_[*length] != ',') return std::nullopt;
    std::string field(rest_.substr(0, *length));
    rest_.remove_prefix(*length + 1);
    return field;
  }

 private:
  std::string_view rest_;
};

}  // namespace

std::string Settings::to_snapshot() const {
  std::string out(kMagic);
  append_field(out, host_name_);
  append_field(out, config_directory_);
  for (const auto& [name, definition] : definitions_) {
    append_field(out, name);
    append_field(out, definition.value);
    append_field(out, definition.place);
  }
  out.append("\n");  // what is cut short does not end so
  return out;
}

util::Result<Settings> Settings::from_snapshot(std::string_view bytes) {
  const auto damaged = util::permanent("the settings handed over by master are damaged");
  if (!bytes.starts_with(kMagic) || !bytes.ends_with('\n') || bytes.size() <= kMagic.size()) return damaged;
  bytes.remove_prefix(kMagic.size());
  bytes.remove_suffix(1);
  FieldReader reader(bytes);
  auto host_name = reader.next();
  auto config_directory = reader.next();
  if (!host_name || !config_directory) return damaged;
  std::vector<Definition> definitions;
  while (!reader.at_end()) {
    auto name = reader.next();
    auto value = reader.next();
    auto place = reader.next();
    if (!name || !value || !place) return damaged;
    definitions.push_back({std::move(*name), std::move(*value), std::move(*place)});
  }
  return Settings(std::move(definitions), std::move(*host_name), std::move(*config_directory));
}

}  // namespace hikyaku::config
