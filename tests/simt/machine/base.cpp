#include "tests/simt/machine/base.h"

#include <cstdarg>
#include <cstdio>

namespace simt {

const char* name(Fault f) {
  static constexpr const char* kNames[] = {
      "deadlock",       "data race",      "missing proxy fence", "out of bounds",        "uninitialised shared memory",
      "barrier misuse", "bad descriptor", "divergence",          "misaligned address",   "asynchronous operation",
      "register pool",  "unsupported",    "tensor memory",       "missing tcgen05 fence"};
  return kNames[int(f)];
}

std::string format(const char* pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  char buffer[2048];
  vsnprintf(buffer, sizeof buffer, pattern, arguments);
  va_end(arguments);
  return buffer;
}

std::string symbolise(Site s) {
  if (!s) return "the host";
  return s->loc.empty() ? format("'%.60s'", s->text.c_str()) : s->loc;
}

}  // namespace simt
