// The decoder's names: registers, labels, shared and local variables, parameters, immediates.
#include <algorithm>

#include "tests/simt/ptx/decoder.h"

namespace simt::ptx {
namespace {

const std::map<std::string, SpecialRegister>& special_registers() {
  static const std::map<std::string, SpecialRegister> names = {{"%tid.x", TidX},
                                                               {"%tid.y", TidY},
                                                               {"%tid.z", TidZ},
                                                               {"%ntid.x", NtidX},
                                                               {"%ntid.y", NtidY},
                                                               {"%ntid.z", NtidZ},
                                                               {"%ctaid.x", CtaX},
                                                               {"%ctaid.y", CtaY},
                                                               {"%ctaid.z", CtaZ},
                                                               {"%nctaid.x", NctaX},
                                                               {"%nctaid.y", NctaY},
                                                               {"%nctaid.z", NctaZ},
                                                               {"%laneid", LaneId},
                                                               {"%warpid", WarpId},
                                                               {"%nwarpid", NwarpId},
                                                               {"%cluster_ctarank", ClusterRank},
                                                               {"%cluster_nctarank", ClusterSize},
                                                               {"%lanemask_lt", LaneLt},
                                                               {"%lanemask_le", LaneLe},
                                                               {"%lanemask_eq", LaneEq},
                                                               {"%lanemask_ge", LaneGe},
                                                               {"%lanemask_gt", LaneGt},
                                                               {"%smid", SmId}};
  return names;
}

Operand special(SpecialRegister r) {
  Operand o;
  o.kind = Operand::Row, o.bytes = 4, o.off = std::uint32_t(r) * 128;
  return o;
}

std::uint32_t align_up(std::uint32_t value, std::uint32_t align) { return (value + align - 1) / align * align; }

}  // namespace

std::string trim(const std::string& s) {
  const auto first = s.find_first_not_of(" \t\n\r"), last = s.find_last_not_of(" \t\n\r");
  return first == s.npos ? "" : s.substr(first, last - first + 1);
}

std::vector<std::string> split_list(const std::string& s) {
  std::vector<std::string> parts;
  std::string current;
  int depth = 0;
  for (const char c : s) {
    depth += (c == '{' || c == '[' || c == '(') - (c == '}' || c == ']' || c == ')');
    if (c == ',' && !depth) {
      parts.push_back(trim(current));
      current.clear();
    } else {
      current += c;
    }
  }
  if (!trim(current).empty()) parts.push_back(trim(current));
  return parts;
}

std::vector<std::string> split_words(const std::string& s) {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  std::vector<std::string> words;
  for (auto at = s.begin(); at != s.end();) {
    const auto first = std::find_if_not(at, s.end(), is_space);
    at = std::find_if(first, s.end(), is_space);
    if (first != at) words.emplace_back(first, at);
  }
  return words;
}

bool parse_number(const std::string& s, std::uint64_t& bits, unsigned bytes) {
  if (s.empty()) return false;
  const char kind = s.size() > 1 && s[0] == '0' ? char(tolower(s[1])) : 0;
  if (kind == 'f' && s.size() == 10) {
    bits = std::stoul(s.substr(2), nullptr, 16);
    if (bytes == 8) {
      const double d = bits_to_f32(std::uint32_t(bits));
      std::memcpy(&bits, &d, 8);
    }
    return true;
  }
  if (kind == 'd' && s.size() == 18) {
    bits = std::stoull(s.substr(2), nullptr, 16);
    return true;
  }
  if (!isdigit(static_cast<unsigned char>(s[0])) && s[0] != '-') return false;
  bits = s[0] == '-' ? std::uint64_t(std::strtoll(s.c_str(), nullptr, 0)) : std::strtoull(s.c_str(), nullptr, 0);
  return true;
}

Decoder::Decoder(Kernel& k, const std::map<std::string, std::uint64_t>& variables)
    : kernel_(k), module_variables_(variables) {
  kernel_.row_bytes = kSpecials * 128;  // special registers come first, 32 lanes of 4 bytes each
  open_scope();
}

void Decoder::fail(const std::string& why, const std::string& text) const {
  throw Error(Fault::Unsupported, "PTX: " + why + " in '" + text.substr(0, 200) + "' (" +
                                      (location_.empty() ? kernel_.name : location_) + ")");
}

void Decoder::open_scope() {
  scopes_.push_back({{}, labels_.size()});
  labels_.emplace_back();
}
void Decoder::close_scope() { scopes_.pop_back(); }

void Decoder::label(const std::string& name) {
  labels_[scopes_.back().labels][name] = std::uint32_t(kernel_.code.size());
}

void Decoder::branch_to(const std::string& name) {
  Fix fix{kernel_.code.size(), name, {}};
  for (const auto& scope : scopes_) fix.scopes.push_back(scope.labels);
  fixes_.push_back(std::move(fix));
}

void Decoder::finish() {
  for (const auto& fix : fixes_) {
    bool found = false;
    for (auto scope = fix.scopes.rbegin(); scope != fix.scopes.rend() && !found; ++scope)
      if (const auto it = labels_[*scope].find(fix.label); it != labels_[*scope].end())
        kernel_.code[fix.inst].op[0].off = it->second, found = true;
    if (!found) fail("label " + fix.label + " is not defined", kernel_.code[fix.inst].text);
  }
  kernel_.declared_shared = shared_top_;
  kernel_.static_shared = align_up(shared_top_, 1024);  // dynamic shared memory follows
}

Operand Decoder::new_register(Type type) {
  Operand o;
  if (type == Type::pred) {
    o.kind = Operand::Pred, o.off = kernel_.preds++;
    return o;
  }
  o.kind = Operand::Row, o.bytes = std::uint8_t(width(type)), o.off = kernel_.row_bytes;
  kernel_.row_bytes += 32 * o.bytes;
  kernel_.row_bytes = align_up(kernel_.row_bytes, 64);  // rows are told apart by offset / 64
  return o;
}

Operand Decoder::constant(std::uint64_t bits, unsigned bytes) {
  Operand o;
  o.kind = Operand::Const, o.bytes = std::uint8_t(bytes), o.off = std::uint32_t(kernel_.consts.size());
  kernel_.consts.resize(align_up(o.off + 32 * bytes, 64));
  for (unsigned l = 0; l < 32; ++l) std::memcpy(&kernel_.consts[o.off + l * bytes], &bits, bytes);
  return o;
}

/// Its address, as a register: that depends on the CTA's rank.
Operand Decoder::shared_variable(const std::string& name, unsigned bytes) {
  const Operand o = new_register(bytes == 8 ? Type::b64 : Type::b32);
  kernel_.shared_addresses.push_back({o.off, o.bytes, shared_[name]});
  return o;
}

Operand Decoder::register_named(const std::string& name) {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
    if (const auto it = scope->registers.find(name); it != scope->registers.end()) return it->second;
  const auto family = families_.find(name.substr(0, name.find_last_not_of("0123456789") + 1));
  if (family == families_.end()) fail("unknown name " + name, text_);
  return scopes_[0].registers[name] = new_register(family->second);
}

Operand Decoder::address(const std::string& inner) {
  Operand o;
  o.kind = Operand::Addr;
  std::string base = inner;
  if (const auto plus = base.find('+'); plus != base.npos) {
    o.disp = std::strtoll(trim(base.substr(plus + 1)).c_str(), nullptr, 0);
    base = trim(base.substr(0, plus));
  }
  std::uint64_t bits;
  if (params_.count(base))
    o.disp += params_[base];
  else if (shared_.count(base))
    o.disp += shared_[base], o.sub.push_back(special(SharedWindow));
  else if (local_.count(base))
    o.disp += local_[base];
  else if (module_variables_.count(base))
    o.disp += std::int64_t(module_variables_.at(base));
  else if (parse_number(base, bits, 8))
    o.disp += std::int64_t(bits);
  else
    o.sub.push_back(register_named(base));
  return o;
}

Operand Decoder::operand(std::string s, unsigned bytes) {
  Operand o;
  if (s == "_") {
    o.kind = Operand::Sink;
    return o;
  }
  if (s[0] == '!') {
    o = operand(s.substr(1), bytes);
    o.negate = true;
    return o;
  }
  if (s[0] == '{') {
    o.kind = Operand::Vec;
    for (const auto& e : split_list(s.substr(1, s.rfind('}') - 1))) o.sub.push_back(operand(e, bytes));
    return o;
  }
  if (s[0] == '[') {
    const auto parts = split_list(trim(s.substr(1, s.rfind(']') - 1)));
    if (parts.size() == 1) return address(parts[0]);
    o.kind = Operand::Vec;  // [map, {x, y}]
    o.sub = {address(parts[0]), operand(parts[1], 4)};
    return o;
  }
  if (const auto it = special_registers().find(s); it != special_registers().end()) return special(it->second);
  std::uint64_t bits;
  if (parse_number(s, bits, bytes)) return constant(bits, bytes ? bytes : 4);
  if (shared_.count(s)) return shared_variable(s, bytes);
  if (module_variables_.count(s)) return constant(module_variables_.at(s), 8);
  if (local_.count(s)) return constant(local_[s], bytes ? bytes : 8);
  return register_named(s);
}

bool Decoder::is_call_parameter(const std::string& address_text) const {
  const std::string inner = trim(address_text.substr(1, address_text.find_first_of("+]") - 1));
  return call_params_.count(inner) != 0;
}

void Decoder::extern_shared(const std::string& name) { shared_[name] = kSharedBase + align_up(shared_top_, 1024); }

void Decoder::directive(const std::string& statement) {
  const std::string kind = split_words(statement)[0];
  if (kind == ".reg")
    declare_registers(statement);
  else if (kind == ".local" || kind == ".shared")
    declare_memory(statement, kind == ".local");
  else if (kind == ".param")
    call_params_[split_words(statement).back().substr(0, split_words(statement).back().find('['))] = true;
  else if (kind != ".pragma" && kind != ".loc" && kind != ".file")
    fail("unsupported directive", statement);
}

void Decoder::declare_registers(const std::string& statement) {
  const std::string type_name = split_words(statement)[1];
  const Type type = parse_type(type_name.substr(1));
  if (type == Type::none) fail("unknown register type", statement);
  for (const auto& name : split_list(statement.substr(statement.find(type_name, 4) + type_name.size()))) {
    if (const auto count = name.find('<'); count != name.npos)
      families_[name.substr(0, count)] = type;
    else
      scopes_.back().registers[name] = new_register(type);
  }
}

void Decoder::declare_memory(const std::string& statement, bool is_local) {
  const auto words = split_words(statement);
  std::uint32_t align = 1, bytes = 1;
  for (std::size_t i = 1; i + 1 < words.size(); ++i) {
    if (words[i] == ".align") align = std::uint32_t(std::stoul(words[i + 1]));
    if (words[i][0] == '.' && parse_type(words[i].substr(1)) != Type::none)
      bytes = width(parse_type(words[i].substr(1)));
  }
  std::string name = words.back();
  align = std::max(align, bytes);
  for (auto b = name.find('['); b != name.npos; b = name.find('[', b + 1))
    bytes *= std::uint32_t(std::stoul(std::string("0").append(name, b + 1)));
  name = name.substr(0, name.find('['));
  if (!is_local && shared_.count(name)) return;  // seen before: shared variables are placed ahead of the code
  std::uint32_t& top = is_local ? kernel_.local_bytes : shared_top_;
  top = align_up(top, align);
  (is_local ? local_ : shared_)[name] = is_local ? top : kSharedBase + top;
  top += bytes;
}

}  // namespace simt::ptx
