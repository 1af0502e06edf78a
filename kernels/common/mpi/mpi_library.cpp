#include "kernels/common/mpi/mpi_library.h"

#include <dlfcn.h>

#include <filesystem>
#include <stdexcept>
#include <vector>

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "libassay_mpi.so";

// Installed, the program is <prefix>/bin/assay and the module <prefix>/lib/libassay_mpi.so.  In a build tree it is
// <build>/lib/libassay_mpi.so, and programs (tests too) lie up to four folders below <build>.
std::vector<fs::path> candidates() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) throw std::runtime_error("cannot read /proc/self/exe: " + error.message());
  std::vector<fs::path> paths;
  fs::path folder = program.parent_path();
  for (int level = 0; level <= 4 && folder.has_relative_path(); ++level, folder = folder.parent_path())
    paths.push_back(folder / "lib" / kFile);
  return paths;
}

const MpiModule* open_module(const fs::path& path, std::string& reasons) {
  // Global: the plugins Open MPI 4 loads expect its symbols to be visible.
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  if (!handle) {
    reasons += std::string("\n  ") + dlerror();
    return nullptr;
  }
  const auto* module = static_cast<const MpiModule*>(dlsym(handle, kMpiModuleSymbol));
  if (module && module->version == kMpiModuleVersion) return module;
  reasons += "\n  " + path.string() + ": of another version of this program";
  return nullptr;
}

}  // namespace

const MpiModule& load_mpi_module() {
  std::string reasons;
  for (const fs::path& path : candidates()) {
    std::error_code error;
    if (!fs::exists(path, error)) {
      reasons += "\n  " + path.string() + ": not there";
      continue;
    }
    if (const MpiModule* module = open_module(path, reasons)) return *module;
  }
  throw std::runtime_error("cannot load the MPI module " + std::string(kFile) + ":" + reasons);
}

void check_mpi(const MpiModule& module, int code, const std::string& what) {
  if (code == 0) return;  // MPI_SUCCESS, by the standard
  char text[512];
  module.error_text(code, text, sizeof text);
  throw std::runtime_error(what + ": " + text);
}

}  // namespace assay
