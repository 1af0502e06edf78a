// AMX's instructions, one function each.  No include guard and no namespace: this text is included inside the namespace
// and target attributes ("amx-tile,amx-bf16") of whoever uses them, after tile_amx.h.
//
// As assembly: GCC's intrinsics take a register's number as a literal only, do not say that they read memory (so that
// stores before them could be moved behind them), and of a configuration name its first 8 bytes alone.

struct AmxUnit {
  static constexpr AmxConfiguration kWholeRegisters = amx_whole_registers();

  static void configure() { asm volatile("ldtilecfg %0" ::"m"(kWholeRegisters)); }
  /// Also lets the core sleep deeply again, and the system switch threads without saving 8 KiB.
  static void release() { asm volatile("tilerelease"); }

  template <int kRegister>
  static void load(const void* rows, std::int64_t bytes) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(rows), "r"(bytes), "i"(kRegister) : "memory");
  }
  template <int kRegister>
  static void store(void* rows, std::int64_t bytes) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(rows), "r"(bytes), "i"(kRegister) : "memory");
  }
  template <int kRegister>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(kRegister));
  }
  template <int kSums, int kA, int kB>
  static void dot() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kA), "i"(kB));
  }
};
