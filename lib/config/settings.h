// The settings in force: main.cf's definitions over the parameter table's defaults, with $names expanded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/main_cf.h"
#include "config/parameters.h"
#include "config/problem.h"
#include "config/values.h"
#include "util/error.h"

namespace hikyaku::config {

// A key that is set although nothing uses it yet.
struct UnbuiltKey {
  std::string place;
  std::string name;

  bool operator==(const UnbuiltKey&) const = default;
};

// A value type: cheap enough to copy per service. The getters are for settings whose problems() hold no error
// and for declared names; anything else is a bug of ours and aborts.
class Settings {
 public:
  // `host_name` is the machine's (gethostname): myhostname and mydomain default to what follows from it.
  // `config_directory` is what $config_directory expands to.
  Settings(std::vector<Definition> definitions, std::string host_name, std::string config_directory);

  // The same with a service's -o options, which win over main.cf.
  Settings with_overrides(const std::vector<Definition>& overrides) const;

  std::string text(std::string_view name) const;  // kText, kEnumeration; any other kind as its expanded text
  std::vector<std::string> list(std::string_view name) const;  // kList, kTable
  bool yes(std::string_view name) const;
  int64_t number(std::string_view name) const;
  Duration duration(std::string_view name) const;  // 0 when the value is empty (keys with an empty default)
  uint64_t size(std::string_view name) const;      // bytes
  std::vector<Endpoint> endpoints(std::string_view name) const;  // empty value: none

  // Any text with $name, ${name}, $(name), ${name?text}, ${name:text}, ${name?{a}:{b}}, $$; for master.cf's
  // addresses and arguments. The error has no place.
  util::Result<std::string> expand(std::string_view text) const;

  // Where the operator set it ("main.cf:12"); empty for a default or an unknown name.
  std::string place_of(std::string_view name) const;
  bool is_set(std::string_view name) const;
  // As written in main.cf or by -o, else the default; $names not expanded. For `config`.
  std::string written(std::string_view name) const;
  // As `written`, without what the operator set.
  std::string default_of(std::string_view name) const;
  const std::string& host_name() const { return host_name_; }
  const std::string& config_directory() const { return config_directory_; }
  // The definitions that count, by name (the last of each; overrides included).
  const std::map<std::string, Definition, std::less<>>& definitions() const { return definitions_; }

  // Everything wrong with them, errors and warnings, by place. `other_texts` are texts outside main.cf in
  // which a user's own $name counts as used (master.cf's fields).
  Problems problems(const std::vector<std::string>& other_texts = {}) const;
  // Set by the operator, declared, and not built yet; by place.
  std::vector<UnbuiltKey> unbuilt_set_keys() const;

  // The whole as bytes for a child process; places are kept, so that messages still name the line.
  std::string to_snapshot() const;
  static util::Result<Settings> from_snapshot(std::string_view bytes);

  bool operator==(const Settings&) const = default;

 private:
  // Nothing for a name that is neither declared nor set.
  std::optional<std::string> unexpanded(std::string_view name) const;
  util::Result<std::string> value_of(std::string_view name) const;
  std::string default_domain() const;

  std::map<std::string, Definition, std::less<>> definitions_;
  std::string host_name_;
  std::string config_directory_;
};

}  // namespace hikyaku::config
