// The kernel's messages from now on, where this user may read them.
#pragma once
#include <string>
#include <vector>

namespace assay {

/// "NVRM: Xid (PCI:0000:17:00): 79, pid=..., GPU has fallen off the bus": its number, where the line is about this GPU
/// ("0000:17:00.0"); 0 elsewhere.
int xid_in(const std::string& line, const std::string& pci_bus_id);

class KernelLog {
 public:
  explicit KernelLog(const char* path = "/dev/kmsg");
  ~KernelLog();
  KernelLog(const KernelLog&) = delete;
  KernelLog& operator=(const KernelLog&) = delete;

  bool readable() const { return file_ >= 0; }
  /// Since the last call.
  std::vector<std::string> lines();

 private:
  int file_ = -1;
};

}  // namespace assay
