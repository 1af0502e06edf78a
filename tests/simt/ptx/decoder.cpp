#include "tests/simt/ptx/decoder.h"

#include <algorithm>
#include <unordered_map>

namespace simt::ptx {
namespace {

using Table = std::unordered_map<std::string_view, const Opcode*>;

const Table& table() {
  static const Table all = [] {
    Table t;
    for (const auto& rows : {arithmetic_opcodes(), comparison_opcodes(), conversion_opcodes(), memory_opcodes(),
                             warp_opcodes(), control_opcodes(), async_opcodes(), wgmma_opcodes(), tcgen05_opcodes()})
      for (const Opcode& row : rows) t[row.name] = &row;
    return t;
  }();
  return all;
}

/// The row with the longest name that is the opcode or a dotted start of it.
const Opcode* find_opcode(std::string_view opcode) {
  for (std::size_t end = opcode.size(); end != opcode.npos && end > 0; end = opcode.rfind('.', end - 1))
    if (const auto it = table().find(opcode.substr(0, end)); it != table().end()) return it->second;
  return nullptr;
}

bool contains_word(std::string_view words, std::string_view word) {
  for (std::size_t at = words.find(word); at != words.npos; at = words.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || words[at - 1] == ' ') && (end == words.size() || words[end] == ' ')) return true;
  }
  return false;
}

void read_operands(Decoding& d, std::string_view letters) {
  bool optional = false;
  std::size_t argument = 0;
  for (const char letter : letters) {
    if (letter == '?') {
      optional = true;
      continue;
    }
    if (argument >= d.args.size()) {
      if (optional) return;
      d.fail("too few operands");
    }
    switch (letter) {
      case 't':
        d.add(argument, width(d.type));
        break;
      case 'w':
        d.add(argument, 2 * width(d.type));
        break;
      case 'p':
        d.add(argument, 0);
        break;
      case 'P':
        d.add_pair(argument, 4);
        break;
      case 'Q':
        d.add_pair(argument, 0);
        break;
      default:
        d.add(argument, unsigned(letter - '0'));
    }
    ++argument;
  }
  if (argument < d.args.size()) d.fail("too many operands");
}

}  // namespace

bool Decoding::has(std::string_view modifier) const {
  return std::find(modifiers.begin(), modifiers.end(), modifier) != modifiers.end();
}

void Decoding::fail(const std::string& why) const { decoder.fail(why, inst.text); }

Operand Decoding::operand(std::size_t argument, unsigned bytes) const {
  if (argument >= args.size()) fail("too few operands");
  return decoder.operand(args[argument], bytes);
}

void Decoding::add_pair(std::size_t argument, unsigned first_bytes) {
  const std::string& text = args[argument];
  const auto bar = text.find('|');
  inst.op.push_back(decoder.operand(trim(text.substr(0, bar)), first_bytes));
  Operand absent;
  absent.kind = Operand::Sink;
  inst.op.push_back(bar == text.npos ? absent : decoder.operand(trim(text.substr(bar + 1)), 0));
}

std::uint32_t Decoding::integer(std::size_t argument) const {
  std::uint64_t bits = 0;
  if (argument >= args.size() || !parse_number(args[argument], bits, 4)) fail("an integer constant is expected");
  return std::uint32_t(bits);
}

void Decoder::instruction(const std::string& statement) {
  Inst inst;
  inst.text = text_ = statement, inst.loc = location_;
  std::string rest = statement;
  if (rest[0] == '@') {
    const auto blank = rest.find_first_of(" \t\n");
    inst.guard_not = rest[1] == '!';
    const std::size_t name = inst.guard_not ? 2 : 1;
    inst.guard = int(register_named(rest.substr(name, blank - name)).off);
    rest = trim(rest.substr(blank));
  }
  const auto end = rest.find_first_of(" \t\n{[");
  const std::string opcode = rest.substr(0, end);
  const Opcode* row = find_opcode(opcode);
  if (!row) fail("unsupported instruction", statement);

  Decoding d{*this, inst, {}, split_list(end == rest.npos ? "" : trim(rest.substr(end))), Type::none};
  for (std::size_t at = row->name.size(); at < opcode.size();) {
    const std::size_t next = std::min(opcode.find('.', at + 1), opcode.size());
    d.modifiers.push_back(opcode.substr(at + 1, next - at - 1));
    at = next;
  }
  if (!d.modifiers.empty()) d.type = parse_type(d.modifiers.back());
  for (const auto& m : d.modifiers)
    if (row->modifiers != "-" && parse_type(m) == Type::none && !contains_word(row->modifiers, m))
      fail("unsupported modifier ." + m, statement);
  inst.aligned = row->aligned;
  if (row->choose && !(inst.exec = row->choose(d.type))) fail("unsupported operand type", statement);
  if (row->operands != "-") read_operands(d, row->operands);
  if (row->finish) row->finish(d);
  if (!inst.exec && inst.flow == Flow::Plain) fail("unsupported operand type", statement);
  kernel_.code.push_back(std::move(inst));
}

}  // namespace simt::ptx
