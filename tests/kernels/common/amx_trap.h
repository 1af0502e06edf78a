// Runs the product's AMX code on a CPU without AMX: its tile instructions raise SIGILL there, and the handler decodes
// them from the machine code, lets the functional unit compute and goes on behind them.  So the assembly itself is
// tested, its registers, addresses and configuration, which the functional unit's own micro-kernel does not contain.
#pragma once
#if defined(__x86_64__) && defined(__linux__)
#define ASSAY_CAN_TRAP_AMX 1

#include <signal.h>
#include <ucontext.h>

#include <atomic>
#include <cstdint>
#include <cstring>

#include "tests/kernels/common/functional_amx.h"

namespace assay::test {

/// One instruction of the map 0F38 with a three-byte VEX prefix, as all of AMX's are.
struct VexInstruction {
  bool valid = false;
  int prefix = 0;  // 0: none, 1: 66, 2: F3, 3: F2
  int opcode = 0, reg = 0, rm = 0, vvvv = 0;
  bool in_memory = false;
  std::uint64_t base = 0;  // of the operand in memory, displacement included
  std::int64_t index = 0;  // times its scale: the distance between rows
  int length = 0;
};

inline std::uint64_t general_register(const ucontext_t& context, int number) {
  constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return std::uint64_t(context.uc_mcontext.gregs[kOrder[number]]);
}

inline VexInstruction decode(const ucontext_t& context) {
  const auto rip = std::uint64_t(context.uc_mcontext.gregs[REG_RIP]);
  const auto* code = reinterpret_cast<const std::uint8_t*>(rip);
  VexInstruction out;
  if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x84) != 0) return out;  // map 0F38, W0, 128 bits
  const int x = code[1] & 0x40 ? 0 : 8, b = code[1] & 0x20 ? 0 : 8;
  out.prefix = code[2] & 3, out.vvvv = ~(code[2] >> 3) & 15, out.opcode = code[3];
  const int mode = code[4] >> 6;
  out.reg = code[4] >> 3 & 7, out.rm = code[4] & 7, out.in_memory = mode != 3;
  int length = 5;
  bool displacement_only = false;  // and the next instruction's address
  if (out.in_memory) {
    int base = out.rm;
    if (out.rm == 4) {
      const int sib = code[length++], index = (sib >> 3 & 7) + x;
      base = sib & 7;
      if (index != 4) out.index = std::int64_t(general_register(context, index) << (sib >> 6));
    }
    displacement_only = mode == 0 && base == 5;
    if (!displacement_only) out.base = general_register(context, base + b);
    std::int32_t displacement = 0;
    if (mode == 1) {
      displacement = std::int8_t(code[length++]);
    } else if (mode == 2 || displacement_only) {
      std::memcpy(&displacement, code + length, 4);
      length += 4;
    }
    out.base += std::uint64_t(std::int64_t(displacement));
  }
  if (displacement_only) out.base += rip + std::uint64_t(length);
  out.length = length;
  out.valid = true;
  return out;
}

/// False where it is none of AMX's instructions.
inline bool execute(const VexInstruction& i, FunctionalAmx& unit) {
  constexpr int kNone = 0, kF3 = 2, kF2 = 3;
  void* memory = reinterpret_cast<void*>(i.base);
  if (i.opcode == 0x49 && i.prefix == kNone && i.in_memory && i.reg == 0) {
    cpu::AmxConfiguration wanted;
    std::memcpy(&wanted, memory, sizeof wanted);
    unit.configure(wanted);
  } else if (i.opcode == 0x49 && i.prefix == kNone && !i.in_memory && i.reg == 0 && i.rm == 0) {
    unit.release();
  } else if (i.opcode == 0x49 && i.prefix == kF2 && !i.in_memory && i.rm == 0) {
    unit.zero(i.reg);
  } else if (i.opcode == 0x4b && i.prefix == kF2 && i.in_memory) {
    unit.load(i.reg, memory, i.index);
  } else if (i.opcode == 0x4b && i.prefix == kF3 && i.in_memory) {
    unit.store(i.reg, memory, i.index);
  } else if (i.opcode == 0x5c && i.prefix == kF3 && !i.in_memory) {
    unit.dot(i.reg, i.rm, i.vvvv);
  } else {
    return false;
  }
  return true;
}

/// Emulates AMX in all threads while it lives; only one at a time, on a CPU without AMX.
class AmxTrap {
 public:
  AmxTrap() {
    count() = 0;
    struct sigaction action = {};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, &before());
  }
  ~AmxTrap() { sigaction(SIGILL, &before(), nullptr); }
  AmxTrap(const AmxTrap&) = delete;
  AmxTrap& operator=(const AmxTrap&) = delete;

  /// Instructions emulated so far.
  static std::int64_t instructions() { return count(); }

 private:
  static std::atomic<std::int64_t>& count() {
    static std::atomic<std::int64_t> n{0};
    return n;
  }
  static struct sigaction& before() {
    static struct sigaction action;
    return action;
  }
  static void handle(int, siginfo_t*, void* raw) {
    auto& context = *static_cast<ucontext_t*>(raw);
    const VexInstruction instruction = decode(context);
    if (!instruction.valid || !execute(instruction, FunctionalAmx::of_this_thread())) {
      sigaction(SIGILL, &before(), nullptr);  // an illegal instruction of somebody else's: let it end the program
      return;
    }
    context.uc_mcontext.gregs[REG_RIP] += instruction.length;
    ++count();
  }
};

}  // namespace assay::test
#endif
