#include <benchmark/benchmark.h>
#include <dlfcn.h>
#include <fmt/core.h>
#include <hwloc.h>

#include <cstdlib>
#include <sstream>

#include "assay/build_config.h"
#include "assay/revision.h"
#include "harness/record/provenance.h"

#if ASSAY_HAS_OPENBLAS
#include <cblas.h>
#endif
#if ASSAY_HAS_ONEDNN
#include <dnnl.h>
#endif
#if ASSAY_HAS_CUDA
#include <cuda_runtime_api.h>
#endif

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

/// Whether the library was compiled with assertions: it says so in the context it would print, and nowhere else.
Json benchmark_build_type() {
  std::ostringstream text, errors;
  benchmark::JSONReporter reporter;
  reporter.SetOutputStream(&text);
  reporter.SetErrorStream(&errors);
  reporter.ReportContext(benchmark::BenchmarkReporter::Context());
  constexpr std::string_view key = "\"library_build_type\": \"";
  const std::string context = text.str();
  const auto at = context.find(key);
  if (at == std::string::npos) return nullptr;
  const auto begin = at + key.size();
  return context.substr(begin, context.find('"', begin) - begin);
}

Json openblas() {
#if ASSAY_HAS_OPENBLAS
  return {{"config", openblas_get_config()}, {"core", openblas_get_corename()}};
#else
  return nullptr;
#endif
}

Json onednn() {
#if ASSAY_HAS_ONEDNN
  const dnnl_version_t* version = dnnl_version();
  return {{"version", fmt::format("{}.{}.{}", version->major, version->minor, version->patch)},
          {"hash", version->hash}};
#else
  return nullptr;
#endif
}

#if ASSAY_HAS_CUDA
/// "13.0" from CUDA's 1000 * major + 10 * minor.
std::string cuda_version(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

/// A symbol of the first of these libraries that loads.  The library stays loaded: unloading CUDA libraries is a
/// hazard.
void* symbol_of(std::initializer_list<const char*> libraries, const char* symbol) {
  for (const char* library : libraries)
    if (void* handle = ::dlopen(library, RTLD_LAZY | RTLD_LOCAL)) return ::dlsym(handle, symbol);
  return nullptr;
}

Json cublaslt_version() {
  const auto get = reinterpret_cast<std::size_t (*)()>(
      symbol_of({"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"}, "cublasLtGetVersion"));
  return get ? Json(get()) : Json(nullptr);
}

Json cudnn_version() {
  const auto get = reinterpret_cast<std::size_t (*)()>(symbol_of({"libcudnn.so.9", "libcudnn.so"}, "cudnnGetVersion"));
  return get ? Json(get()) : Json(nullptr);
}

Json nccl_version() {
  const auto get = reinterpret_cast<int (*)(int*)>(symbol_of({"libnccl.so.2", "libnccl.so"}, "ncclGetVersion"));
  int version = 0;
  return get && get(&version) == 0 ? Json(version) : Json(nullptr);
}
#endif

}  // namespace

Json build_provenance() {
  Json out = {{"version", ASSAY_VERSION}, {"revision", ASSAY_REVISION},     {"dirty", ASSAY_REVISION_DIRTY != 0},
              {"type", ASSAY_BUILD_TYPE}, {"compiler", ASSAY_CXX_COMPILER}, {"flags", ASSAY_CXX_FLAGS}};
#if ASSAY_HAS_CUDA
  out["cuda_compiler"] = ASSAY_CUDA_COMPILER;
  out["cuda_architectures"] = ASSAY_CUDA_ARCHITECTURES;
#else
  out["cuda_compiler"] = nullptr;
  out["cuda_architectures"] = nullptr;
#endif
  out["capabilities"] = {{"cuda", ASSAY_HAS_CUDA != 0},    {"cublaslt", ASSAY_HAS_CUBLASLT != 0},
                         {"cudnn", ASSAY_HAS_CUDNN != 0},  {"nccl", ASSAY_HAS_NCCL != 0},
                         {"mpi", ASSAY_HAS_MPI != 0},      {"openblas", ASSAY_HAS_OPENBLAS != 0},
                         {"onednn", ASSAY_HAS_ONEDNN != 0}};
  return out;
}

Json library_provenance() {
  const unsigned hwloc = hwloc_get_api_version();
  Json out = {{"fmt", fmt::format("{}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)},
              {"nlohmann_json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                                            NLOHMANN_JSON_VERSION_PATCH)},
              {"hwloc_api", fmt::format("{}.{}.{}", hwloc >> 16, hwloc >> 8 & 0xff, hwloc & 0xff)},
              {"benchmark", ASSAY_BENCHMARK_VERSION},
              {"benchmark_build_type", benchmark_build_type()},
              {"openblas", openblas()},
              {"onednn", onednn()}};
  for (const char* key : {"cuda_runtime", "cuda_driver", "cublaslt", "cudnn", "nccl", "nccl_header"})
    out[key] = nullptr;
  if (*ASSAY_NCCL_HEADERS) out["nccl_header"] = std::atoi(ASSAY_NCCL_HEADERS);
#if ASSAY_HAS_CUDA
  int version = 0;
  if (cudaRuntimeGetVersion(&version) == cudaSuccess) out["cuda_runtime"] = cuda_version(version);
  // 0: there is no driver.
  if (cudaDriverGetVersion(&version) == cudaSuccess && version > 0) {
    out["cuda_driver"] = cuda_version(version);
    out["cublaslt"] = cublaslt_version();
    out["cudnn"] = cudnn_version();
    out["nccl"] = nccl_version();
  }
#endif
  return out;
}

}  // namespace assay
