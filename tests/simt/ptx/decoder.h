// Turns one PTX instruction's text into an Inst, by a table of opcodes.
#pragma once
#include <span>

#include "tests/simt/ptx/execution.h"
#include "tests/simt/ptx/types.h"

namespace simt::ptx {

std::string trim(const std::string&);
/// Splits at commas outside brackets.
std::vector<std::string> split_list(const std::string&);
std::vector<std::string> split_words(const std::string&);
/// Integers, and floats as 0f3F800000 or 0d3FF0000000000000, as the bits of a value of `bytes`.
bool parse_number(const std::string&, std::uint64_t& bits, unsigned bytes);

class Decoder;

/// One instruction on its way from text to Inst.
struct Decoding {
  Decoder& decoder;
  Inst& inst;
  std::vector<std::string> modifiers;  // what follows the opcode's name in the table
  std::vector<std::string> args;
  Type type = Type::none;  // the last modifier, where it is a type

  bool has(std::string_view modifier) const;
  [[noreturn]] void fail(const std::string& why) const;
  Operand operand(std::size_t argument, unsigned bytes) const;
  void add(std::size_t argument, unsigned bytes) { inst.op.push_back(operand(argument, bytes)); }
  void add_pair(std::size_t argument, unsigned first_bytes);  // "d|p"; the second may be absent
  std::uint32_t integer(std::size_t argument) const;
};

/// A row of the table.  The longest dotted name that starts the instruction wins.
struct Opcode {
  std::string_view name;
  /// The modifiers that may follow, blank-separated; any other makes the instruction unsupported.  "-": `finish`
  /// checks them.
  std::string_view modifiers;
  /// One letter per operand: t of the type's width, w twice as wide, 2 4 8 of that many bytes, p predicate,
  /// P "register|predicate", Q "predicate|predicate"; ? makes those after it optional.  "-": `finish` reads them.
  std::string_view operands;
  Exec (*choose)(Type) = nullptr;       // the implementation for a type; null where there is none
  void (*finish)(Decoding&) = nullptr;  // sets constants, flow and whatever the columns do not say
  bool aligned = false;
};

std::span<const Opcode> arithmetic_opcodes();
std::span<const Opcode> comparison_opcodes();
std::span<const Opcode> conversion_opcodes();
std::span<const Opcode> memory_opcodes();
std::span<const Opcode> warp_opcodes();
std::span<const Opcode> control_opcodes();
std::span<const Opcode> async_opcodes();
std::span<const Opcode> wgmma_opcodes();
std::span<const Opcode> tcgen05_opcodes();

/// The names visible inside one kernel, and the code decoded so far.
class Decoder {
 public:
  Decoder(Kernel&, const std::map<std::string, std::uint64_t>& module_variables);

  void open_scope();
  void close_scope();
  void label(const std::string& name);
  void directive(const std::string& statement);
  void instruction(const std::string& statement);
  void finish();  // resolves branch targets

  void parameter(const std::string& name, std::uint32_t offset) { params_[name] = offset; }
  void extern_shared(const std::string& name);
  void set_location(std::string location) { location_ = std::move(location); }

  Operand operand(std::string text, unsigned bytes);
  bool is_parameter(const std::string& name) const { return params_.count(name) != 0; }
  bool is_call_parameter(const std::string& address) const;
  std::uint32_t parameter_offset(const std::string& name) const { return params_.at(name); }
  void branch_to(const std::string& label);  // the instruction being decoded is a branch
  [[noreturn]] void fail(const std::string& why, const std::string& text) const;

 private:
  struct Scope {
    std::map<std::string, Operand> registers;
    std::size_t labels;  // index into labels_
  };
  struct Fix {
    std::size_t inst;
    std::string label;
    std::vector<std::size_t> scopes;
  };
  Operand new_register(Type);
  Operand constant(std::uint64_t bits, unsigned bytes);
  Operand shared_variable(const std::string& name, unsigned bytes);
  Operand address(const std::string& inner);
  Operand register_named(const std::string& name);
  void declare_registers(const std::string& statement);
  void declare_memory(const std::string& statement, bool is_local);

  Kernel& kernel_;
  const std::map<std::string, std::uint64_t>& module_variables_;
  std::map<std::string, std::uint32_t> shared_, local_, params_;
  std::map<std::string, bool> call_params_;
  std::map<std::string, Type> families_;  // "%r" of ".reg .b32 %r<9>": rows are made on first use
  std::vector<Scope> scopes_;
  std::vector<std::map<std::string, std::uint32_t>> labels_;
  std::vector<Fix> fixes_;
  std::string location_, text_;
  std::uint32_t shared_top_ = 0;
};

}  // namespace simt::ptx
