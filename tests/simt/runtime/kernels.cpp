#include "tests/simt/runtime/kernels.h"

#include <algorithm>

#include "tests/simt/runtime/fat_binary.h"
#include "tests/simt/runtime/settings.h"

namespace simt::runtime {
namespace {

/// The mistake that the settings plant, in the bodies of the kernels they name.
std::string with_replacements(std::string text, const Settings& s) {
  if (s.replaced.empty()) return text;
  for (std::size_t at = 0; (at = text.find(".entry", at)) != text.npos;) {
    const std::size_t name_end = text.find('(', at);
    std::size_t end = std::min(text.find("\n}", at), text.size());
    if (text.substr(at, name_end - at).find(s.kernel) == std::string::npos) {
      at = end;
      continue;
    }
    for (std::size_t p = at; (p = text.find(s.replaced, p)) < end; p += s.replacing.size()) {
      text.replace(p, s.replaced.size(), s.replacing);
      end = std::min(text.find("\n}", p), text.size());
    }
    at = end;
  }
  return text;
}

}  // namespace

void FatBinary::load(int compute_capability) {
  loaded_ = true;
  const std::vector<PtxImage> images = ptx_images(registered_);
  const PtxImage* best = nullptr;
  for (const PtxImage& image : images)
    if (image.runs_on(compute_capability) && (!best || image.architecture > best->architecture)) best = &image;
  if (best) module_ = std::make_unique<ptx::Module>(with_replacements(best->text, settings()));
}

const ptx::Kernel& FatBinary::kernel(const std::string& mangled, int compute_capability) {
  if (!loaded_) load(compute_capability);
  if (module_)
    for (const ptx::Kernel& kernel : module_->kernels())
      if (kernel.name == mangled) return kernel;
  throw Error(Fault::Unsupported, format("there is no PTX of the kernel %s for sm_%d in this program", mangled.c_str(),
                                         compute_capability));
}

Kernels& Kernels::all() {
  static Kernels* const kernels = new Kernels;
  return *kernels;
}

FatBinary* Kernels::add_binary(const void* registered) {
  binaries_.push_back(std::make_unique<FatBinary>(registered));
  return binaries_.back().get();
}

void Kernels::add(FatBinary* binary, const void* stub, const char* name) { kernels_[stub] = {binary, name, {}}; }

RegisteredKernel* Kernels::find(const void* stub) {
  const auto found = kernels_.find(stub);
  return found == kernels_.end() ? nullptr : &found->second;
}

}  // namespace simt::runtime
