// A shared library loaded at run time, so that the program starts on machines that lack it.
#pragma once
#include <memory>
#include <string>
#include <vector>

namespace assay {

class DynamicLibrary {
 public:
  /// Loads the first of `candidates` (names for the loader's search path, or paths) that can be loaded.
  /// Throws std::runtime_error naming each candidate and why it failed.
  explicit DynamicLibrary(const std::vector<std::string>& candidates);

  /// The candidate that was loaded.
  const std::string& name() const { return name_; }

  /// Assigns the address of `symbol` to `function`.  Throws std::runtime_error where the library has none.
  template <class Function>
  void resolve(const char* symbol, Function*& function) const {
    function = reinterpret_cast<Function*>(address(symbol));
  }

 private:
  struct Close {
    void operator()(void* handle) const;
  };
  void* address(const char* symbol) const;

  std::unique_ptr<void, Close> handle_;
  std::string name_;
};

}  // namespace assay
