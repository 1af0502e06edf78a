// What the environment variable ASSAY_SIMT asks of the devices, as "key=value,key=value".
#pragma once
#include <cstdint>
#include <string>

#include "tests/simt/machine/base.h"

namespace simt::runtime {

struct Settings {
  Options machine;              // async=eager|lazy|random, seed=N, races=on|off|global
  bool random_streams = false;  // streams=late|random
  int devices = 1;
  int multiprocessors = 2;
  int compute_capability = 80;  // sm=80|90|100
  std::size_t memory_bytes = std::size_t(1) << 30;

  // Planted mistakes, in kernels whose name contains `kernel`.
  std::string kernel;
  std::size_t shortened = 0;        // short=BYTES: every allocation ends that much earlier than the program was told
  std::string replaced, replacing;  // replace=TEXT:TEXT in their PTX, at every place
};

/// Read once.  A key or value that is not one ends the program with a line that names it.
const Settings& settings();

/// The grammar alone: throws std::invalid_argument naming what is wrong.
Settings parse_settings(const std::string& text);

}  // namespace simt::runtime
