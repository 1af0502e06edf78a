// The kernels that the program registers before main() starts, found by the address of their stub on the host.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simt/simt.h"

namespace simt::runtime {

/// A translation unit's device code.  Decoded at the first launch of one of its kernels.
class FatBinary {
 public:
  explicit FatBinary(const void* registered) : registered_(registered) {}
  /// Throws Error(Unsupported) naming the kernel where there is no PTX that `compute_capability` runs.
  const ptx::Kernel& kernel(const std::string& mangled, int compute_capability);

 private:
  void load(int compute_capability);

  const void* registered_;
  bool loaded_ = false;
  std::unique_ptr<ptx::Module> module_;
};

struct RegisteredKernel {
  FatBinary* binary;
  std::string name;                          // mangled
  std::map<int, unsigned> shared_allowance;  // by device: set by cudaFuncSetAttribute, which is per device
};

class Kernels {
 public:
  /// Never destroyed: binaries are unregistered by exit handlers, in an order of their own.
  static Kernels& all();

  FatBinary* add_binary(const void* registered);
  void add(FatBinary*, const void* stub, const char* name);
  /// Null where nothing was registered under that address.
  RegisteredKernel* find(const void* stub);

 private:
  std::vector<std::unique_ptr<FatBinary>> binaries_;
  std::map<const void*, RegisteredKernel> kernels_;
};

}  // namespace simt::runtime
