#include "kernels/attention/vendor/cudnn_library.h"

#include <array>
#include <memory>
#include <stdexcept>
#include <utility>

#include "kernels/common/kernel.h"

namespace assay {
namespace {

// From here on device properties are a descriptor, and the library itself zeroes what backward accumulates dq in.
constexpr std::size_t kOldest = 90800;

// The library's own loader path first; then the toolkit this was built with, which is often on no path.
std::vector<std::string> candidates() {
  const std::string name = "libcudnn.so." + std::to_string(CUDNN_MAJOR);
  return {name, std::string(ASSAY_CUDA_LIBRARY_DIR) + "/" + name};
}

struct Loaded {
  std::unique_ptr<const CudnnLibrary> library;
  std::string reason;
};

Loaded load() {
  try {
    return {std::make_unique<const CudnnLibrary>(), {}};
  } catch (const std::exception& error) {
    return {nullptr, std::string("cuDNN cannot be loaded: ") + error.what()};
  }
}

std::string version_text(std::size_t version) {  // 91900 is 9.19.0
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

bool says_unsupported(cudnnStatus_t status) { return CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED; }

/// Its last error as one line.
std::string last_words(const CudnnLibrary& cudnn) {
  std::array<char, 512> words{};
  cudnn.last_error_string(words.data(), words.size());
  std::string line(words.data());
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  return line;
}

}  // namespace

CudnnLibrary::CudnnLibrary() : library(candidates()) {
  library.resolve("cudnnGetVersion", get_version);
  library.resolve("cudnnGetErrorString", error_string);
  library.resolve("cudnnGetLastErrorString", last_error_string);
  library.resolve("cudnnCreate", create);
  library.resolve("cudnnDestroy", destroy);
  library.resolve("cudnnSetStream", set_stream);
  library.resolve("cudnnBackendCreateDescriptor", create_descriptor);
  library.resolve("cudnnBackendDestroyDescriptor", destroy_descriptor);
  library.resolve("cudnnBackendFinalize", finalize);
  library.resolve("cudnnBackendSetAttribute", set_attribute);
  library.resolve("cudnnBackendGetAttribute", get_attribute);
  library.resolve("cudnnBackendExecute", execute);
  if (get_version() < kOldest)
    throw std::runtime_error(library.name() + " is version " + version() + ", needed is " + version_text(kOldest) +
                             " or later");
}

std::string CudnnLibrary::version() const { return version_text(get_version()); }

void CudnnLibrary::check(cudnnStatus_t status, const std::string& what) const {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::string text = "cuDNN " + version() + ", " + what + ": " + error_string(status);
  if (const std::string words = last_words(*this); !words.empty()) text += " (" + words + ")";
  if (says_unsupported(status)) throw Unsupported(text);
  throw std::runtime_error(text);
}

const CudnnLibrary* cudnn_library(std::string& reason) {
  static const Loaded loaded = load();
  reason = loaded.reason;
  return loaded.library.get();
}

CudnnDescriptor::CudnnDescriptor(const CudnnLibrary& cudnn, cudnnBackendDescriptorType_t type, std::string name)
    : cudnn_(&cudnn), name_(std::move(name)) {
  cudnn.check(cudnn.create_descriptor(type, &descriptor_), "making " + name_);
}

CudnnDescriptor::~CudnnDescriptor() {
  if (descriptor_) cudnn_->destroy_descriptor(descriptor_);
}

CudnnDescriptor::CudnnDescriptor(CudnnDescriptor&& other) noexcept
    : cudnn_(other.cudnn_), name_(std::move(other.name_)), descriptor_(std::exchange(other.descriptor_, nullptr)) {}

CudnnDescriptor& CudnnDescriptor::operator=(CudnnDescriptor&& other) noexcept {
  std::swap(cudnn_, other.cudnn_);
  std::swap(name_, other.name_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void CudnnDescriptor::set(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type, std::int64_t count,
                          const void* values) {
  cudnn_->check(cudnn_->set_attribute(descriptor_, attribute, type, count, values),
                "setting attribute " + std::to_string(attribute) + " of " + name_);
}

void CudnnDescriptor::finalize() { cudnn_->check(cudnn_->finalize(descriptor_), name_); }

template <class Value>
Value CudnnDescriptor::get(cudnnBackendAttributeName_t attribute, cudnnBackendAttributeType_t type) const {
  std::int64_t count = 0;
  Value value{};
  const std::string what = "attribute " + std::to_string(attribute) + " of " + name_;
  cudnn_->check(cudnn_->get_attribute(descriptor_, attribute, type, 1, &count, &value), "reading " + what);
  if (count != 1) throw std::runtime_error("cuDNN: " + what + " has " + std::to_string(count) + " values, not one");
  return value;
}

std::int64_t CudnnDescriptor::get_integer(cudnnBackendAttributeName_t attribute) const {
  return get<std::int64_t>(attribute, CUDNN_TYPE_INT64);
}

int CudnnDescriptor::get_knob_type() const {
  return get<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE);
}

std::int64_t CudnnDescriptor::get_descriptors(cudnnBackendAttributeName_t attribute,
                                              std::vector<CudnnDescriptor>& values) const {
  std::vector<cudnnBackendDescriptor_t> handles;
  for (const CudnnDescriptor& value : values) handles.push_back(value.descriptor_);
  std::int64_t count = 0;
  cudnn_->check(cudnn_->get_attribute(descriptor_, attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                      static_cast<std::int64_t>(handles.size()), &count,
                                      handles.empty() ? nullptr : handles.data()),
                "reading attribute " + std::to_string(attribute) + " of " + name_);
  return count;
}

}  // namespace assay
