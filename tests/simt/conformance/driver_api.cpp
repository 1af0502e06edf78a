#include "tests/simt/conformance/driver_api.h"

namespace simt::conformance {

template <class F>
F* Gpu::symbol(const char* name) const {
  void* p = dlsym(library_, name);
  if (!p) throw NoGpu(std::string("the driver has no ") + name);
  return reinterpret_cast<F*>(p);
}

void Gpu::check(CUresult result, const char* what) const {
  if (result == CUDA_SUCCESS) return;
  const char* text = nullptr;
  symbol<decltype(cuGetErrorString)>("cuGetErrorString")(result, &text);
  throw std::runtime_error(std::string(what) + ": " + (text ? text : "unknown error"));
}

Gpu::Gpu() : library_(dlopen("libcuda.so.1", RTLD_NOW)) {
  if (!library_) throw NoGpu("no NVIDIA driver (libcuda.so.1)");
  int count = 0;
  if (symbol<decltype(cuInit)>("cuInit")(0) != CUDA_SUCCESS ||
      symbol<decltype(cuDeviceGetCount)>("cuDeviceGetCount")(&count) != CUDA_SUCCESS || count == 0)
    throw NoGpu("the driver finds no GPU");
  check(symbol<decltype(cuDeviceGet)>("cuDeviceGet")(&device_, 0), "cuDeviceGet");
  char text[256];
  check(symbol<decltype(cuDeviceGetName)>("cuDeviceGetName")(text, sizeof text, device_), "cuDeviceGetName");
  name_ = text;
  int major = 0, minor = 0;
  const auto attribute = symbol<decltype(cuDeviceGetAttribute)>("cuDeviceGetAttribute");
  check(attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device_), "cuDeviceGetAttribute");
  check(attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device_), "cuDeviceGetAttribute");
  capability_ = major * 10 + minor;
  CUcontext context;
  check(symbol<decltype(cuDevicePrimaryCtxRetain)>("cuDevicePrimaryCtxRetain")(&context, device_),
        "cuDevicePrimaryCtxRetain");
  check(symbol<decltype(cuCtxSetCurrent)>("cuCtxSetCurrent")(context), "cuCtxSetCurrent");
}

Gpu::~Gpu() {
  for (const CUdeviceptr p : memory_) symbol<decltype(cuMemFree)>("cuMemFree_v2")(p);
  symbol<CUresult(CUdevice)>("cuDevicePrimaryCtxRelease_v2")(device_);
}

CUmodule Gpu::load(const std::string& ptx) const {
  CUmodule module;
  check(symbol<decltype(cuModuleLoadData)>("cuModuleLoadData")(&module, ptx.c_str()), "cuModuleLoadData");
  return module;
}

CUdeviceptr Gpu::upload(const void* data, std::size_t bytes) {
  CUdeviceptr p;
  check(symbol<decltype(cuMemAlloc)>("cuMemAlloc_v2")(&p, bytes), "cuMemAlloc");
  memory_.push_back(p);
  check(symbol<decltype(cuMemcpyHtoD)>("cuMemcpyHtoD_v2")(p, data, bytes), "cuMemcpyHtoD");
  return p;
}

std::vector<std::uint32_t> Gpu::download(CUdeviceptr p, std::size_t words) const {
  std::vector<std::uint32_t> v(words);
  check(symbol<decltype(cuMemcpyDtoH)>("cuMemcpyDtoH_v2")(v.data(), p, words * 4), "cuMemcpyDtoH");
  return v;
}

void Gpu::launch(CUmodule module, const char* kernel, unsigned threads, void** arguments) const {
  CUfunction function;
  check(symbol<decltype(cuModuleGetFunction)>("cuModuleGetFunction")(&function, module, kernel), kernel);
  check(symbol<decltype(cuLaunchKernel)>("cuLaunchKernel")(function, 1, 1, 1, threads, 1, 1, 0, nullptr, arguments,
                                                           nullptr),
        kernel);
  check(symbol<decltype(cuCtxSynchronize)>("cuCtxSynchronize")(), kernel);
}

void Gpu::launch_cluster(CUmodule module, const char* kernel, unsigned ctas, unsigned threads, unsigned shared_bytes,
                         void** arguments) const {
  CUfunction function;
  check(symbol<decltype(cuModuleGetFunction)>("cuModuleGetFunction")(&function, module, kernel), kernel);
  check(symbol<decltype(cuFuncSetAttribute)>("cuFuncSetAttribute")(
            function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, int(shared_bytes)),
        kernel);
  CUlaunchAttribute cluster{};
  cluster.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
  cluster.value.clusterDim.x = ctas, cluster.value.clusterDim.y = cluster.value.clusterDim.z = 1;
  CUlaunchConfig config{};
  config.gridDimX = ctas, config.gridDimY = config.gridDimZ = 1;
  config.blockDimX = threads, config.blockDimY = config.blockDimZ = 1;
  config.sharedMemBytes = shared_bytes, config.attrs = &cluster, config.numAttrs = 1;
  check(symbol<decltype(cuLaunchKernelEx)>("cuLaunchKernelEx")(&config, function, arguments, nullptr), kernel);
  check(symbol<decltype(cuCtxSynchronize)>("cuCtxSynchronize")(), kernel);
}

CUtensorMap Gpu::encode(const void* base, const cuuint64_t* dim, cuuint64_t row_bytes, const cuuint32_t* box,
                        CUtensorMapSwizzle swizzle) const {
  CUtensorMap map;
  const cuuint32_t steps[2] = {1, 1};
  check(symbol<decltype(cuTensorMapEncodeTiled)>("cuTensorMapEncodeTiled")(
            &map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 2, const_cast<void*>(base), dim, &row_bytes, box, steps,
            CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
        "cuTensorMapEncodeTiled");
  return map;
}

}  // namespace simt::conformance
