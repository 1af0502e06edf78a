#include "harness/measure/kernel_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <sstream>

namespace assay {

int xid_in(const std::string& line, const std::string& pci_bus_id) {
  const auto mark = line.find("NVRM: Xid (PCI:");
  // The kernel writes the device without its function.
  const auto device = line.find("PCI:" + pci_bus_id.substr(0, pci_bus_id.rfind('.')) + ")");
  if (pci_bus_id.empty() || mark == std::string::npos || device == std::string::npos) return 0;
  const auto colon = line.find("):", device);
  return colon == std::string::npos ? 0 : std::atoi(line.c_str() + colon + 2);
}

KernelLog::KernelLog(const char* path) : file_(::open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  if (file_ >= 0) ::lseek(file_, 0, SEEK_END);
}

KernelLog::~KernelLog() {
  if (file_ >= 0) ::close(file_);
}

std::vector<std::string> KernelLog::lines() {
  constexpr int kMostReads = 4096;  // a kernel that never falls silent must not hold us
  std::vector<std::string> out;
  char text[8192];  // the longest record of /dev/kmsg
  for (int i = 0; file_ >= 0 && i < kMostReads; ++i) {
    const ssize_t bytes = ::read(file_, text, sizeof text);
    if (bytes < 0 && errno == EPIPE) continue;  // records were overwritten before we read them: go on with the next
    if (bytes <= 0) break;
    std::istringstream lines(std::string(text, std::size_t(bytes)));
    for (std::string line; std::getline(lines, line);) out.push_back(line);
  }
  return out;
}

}  // namespace assay
