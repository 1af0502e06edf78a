#include "kernels/common/dynamic_library.h"

#include <dlfcn.h>

#include <stdexcept>

namespace assay {

void DynamicLibrary::Close::operator()(void* handle) const { dlclose(handle); }

DynamicLibrary::DynamicLibrary(const std::vector<std::string>& candidates) {
  std::string failures;
  for (const std::string& candidate : candidates) {
    // NODELETE: CUDA's libraries register exit handlers, which must outlive our handle.
    handle_.reset(dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE));
    if (handle_) {
      name_ = candidate;
      return;
    }
    const char* why = dlerror();
    failures += (failures.empty() ? "" : "; ") + (why ? std::string(why) : "cannot load " + candidate);
  }
  throw std::runtime_error(failures);
}

void* DynamicLibrary::address(const char* symbol) const {
  void* found = dlsym(handle_.get(), symbol);
  if (!found) throw std::runtime_error(name_ + " has no symbol " + symbol);
  return found;
}

}  // namespace assay
