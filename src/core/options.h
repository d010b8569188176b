#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace syncflow {

/// Text that never shows itself: printing gives `***`. `reveal` where it is handed to a driver.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }
  bool operator==(const Secret&) const = default;

 private:
  std::string text_;
};

enum class OptionKind { text, secret, number, choice, path, url };

/// One option of a provider, declared once: validation, `providers show`, forms and docs come from it.
struct OptionSpec {
  std::string name;
  OptionKind kind = OptionKind::text;
  bool required = false;
  std::string help;
  std::vector<std::string> choices;  ///< kind choice
  std::string fallback;              ///< shown as the default
};

/// The options of one connection, as the user gave them and with `${VAR}` filled in.
///
/// A plain value. `shown` is what may be printed: secrets and passwords inside URLs are `***`.
class Options {
 public:
  void set(const std::string& name, std::string value) { values_[name] = std::move(value); }
  bool has(std::string_view name) const;
  /// Empty when missing.
  std::string get(std::string_view name, std::string_view fallback = "") const;
  /// Throws Error(bad_config) naming the option when it is not a whole number.
  long number(std::string_view name, long fallback) const;
  const std::map<std::string, std::string, std::less<>>& all() const { return values_; }
  std::map<std::string, std::string> shown(const std::vector<OptionSpec>& specs) const;

  bool operator==(const Options&) const = default;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

/// Throws Error(bad_config) for an unknown option (naming the nearest), a missing required one,
/// or a value outside its choices. `where` begins the sentence ("connection shop").
void check_options(const Options& options, const std::vector<OptionSpec>& specs, const std::string& where);

/// The same URL with its password replaced by `***`.
std::string without_password(std::string_view url);

/// The parts of `scheme://user:password@host:port/path?name=value`, percent-decoded.
struct Url {
  std::string scheme, user, host, path;
  Secret password;
  int port = 0;  ///< 0: not given
  std::map<std::string, std::string> query;
};
/// Throws Error(bad_config) without repeating the password.
Url parse_url(const std::string& url);

}  // namespace syncflow
