// cuDNN, loaded at run time: the functions of its backend API that we call, and its descriptors as owned objects.
#pragma once
#include <cudnn_graph.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/common/dynamic_library.h"

namespace assay {

struct CudnnLibrary {
  CudnnLibrary();  // throws std::runtime_error where it cannot be loaded, or is older than 9.8

  DynamicLibrary library;
  decltype(&cudnnGetVersion) get_version;
  decltype(&cudnnGetErrorString) error_string;
  decltype(&cudnnGetLastErrorString) last_error_string;
  decltype(&cudnnCreate) create;
  decltype(&cudnnDestroy) destroy;
  decltype(&cudnnSetStream) set_stream;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&cudnnBackendFinalize) finalize;
  decltype(&cudnnBackendSetAttribute) set_attribute;
  decltype(&cudnnBackendGetAttribute) get_attribute;
  decltype(&cudnnBackendExecute) execute;

  /// "9.19.0"
  std::string version() const;

  /// Throws std::runtime_error naming `what`, the status and the library's own words unless `status` is success;
  /// Unsupported where the library says that.
  void check(cudnnStatus_t status, const std::string& what) const;
};

/// Null, and `reason` set to one line, where the library cannot be loaded.  Tried once per process.
const CudnnLibrary* cudnn_library(std::string& reason);

/// A descriptor of the backend API.  Attributes are set, then it is finalized; what it refers to may go afterwards.
class CudnnDescriptor {
 public:
  /// `name` stands for it in errors.
  CudnnDescriptor(const CudnnLibrary&, cudnnBackendDescriptorType_t, std::string name);
  ~CudnnDescriptor();
  CudnnDescriptor(CudnnDescriptor&&) noexcept;
  CudnnDescriptor& operator=(CudnnDescriptor&&) noexcept;

  template <class Value>
  void set(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type, const Value& value) {
    set(attribute, type, 1, &value);
  }
  template <class Value>
  void set(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type, const std::vector<Value>& values) {
    set(attribute, type, static_cast<std::int64_t>(values.size()), values.data());
  }
  void set(cudnnBackendAttributeName_t attribute, const CudnnDescriptor& value) {
    set(attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.descriptor_);
  }
  void set(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type, std::int64_t count,
           const void* values);
  void finalize();

  std::int64_t get_integer(cudnnBackendAttributeName_t attribute) const;
  int get_knob_type() const;
  /// Fills `values`, made beforehand, and returns how many there are; with none, how many there would be.
  std::int64_t get_descriptors(cudnnBackendAttributeName_t attribute, std::vector<CudnnDescriptor>& values) const;

  cudnnBackendDescriptor_t handle() const { return descriptor_; }
  const CudnnLibrary& library() const { return *cudnn_; }

 private:
  template <class Value>
  Value get(cudnnBackendAttributeName_t, cudnnBackendAttributeType_t) const;

  const CudnnLibrary* cudnn_;
  std::string name_;
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

}  // namespace assay
