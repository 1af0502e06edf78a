// Runs one PTX instruction on 32 lanes: lane l gets element l of each input.
#pragma once
#include <array>
#include <random>
#include <string>
#include <vector>

#include "tests/simt/simt.h"

namespace simt::test {

inline std::string ptx_header() { return ".version 8.8\n.target sm_90a\n.address_size 64\n"; }

/// A kernel of one pointer parameter per name in `pointers`, loaded into %<name>; %lane is the lane.
inline std::string ptx_kernel(const std::vector<std::string>& pointers, const std::string& body) {
  std::string s = ptx_header() + ".visible .entry unit(";
  for (std::size_t i = 0; i < pointers.size(); ++i) s += (i ? ", " : "") + (".param .u64 p_" + pointers[i]);
  s += ")\n{\n.reg .b32 %lane;\n.reg .b64 %offset;\n.reg .pred %p<8>;\n.reg .b16 %h<16>;\n.reg .b32 %r<64>;\n.reg .f32 "
       "%f<64>;\n"
       ".reg .b64 %rd<16>;\n.reg .f64 %fd<8>;\nmov.u32 %lane, %tid.x;\n";
  for (const auto& p : pointers) s += ".reg .b64 %" + p + ";\nld.param.u64 %" + p + ", [p_" + p + "];\n";
  return s + body + "\nret;\n}\n";
}

/// Source operands are %a, %b, %c as far as `inputs` goes, the destination %d, all of the PTX types named.
template <class D, class S>
std::array<D, 32> run_instruction(const std::string& instruction, const std::string& d_type, const std::string& s_type,
                                  const std::vector<std::array<S, 32>>& inputs) {
  std::vector<std::string> pointers = {"out"};
  std::string body = ".reg " + d_type + " %d;\nmul.wide.u32 %offset, %lane, " + std::to_string(sizeof(D)) +
                     ";\nadd.s64 %out, %out, %offset;\n";
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string name(1, char('a' + i)), pointer = "in_" + name;
    pointers.push_back(pointer);
    body += ".reg " + s_type + " %" + name + ";\nmul.wide.u32 %offset, %lane, " + std::to_string(sizeof(S)) +
            ";\nadd.s64 %" + pointer + ", %" + pointer + ", %offset;\nld.global" + s_type + " %" + name + ", [%" +
            pointer + "];\n";
  }
  body += instruction + ";\nst.global" + d_type + " [%out], %d;";
  const ptx::Module module(ptx_kernel(pointers, body));
  DeviceHeap heap;
  D* out = heap.poisoned<D>(32);
  std::vector<unsigned char> block(8 * pointers.size());
  std::memcpy(block.data(), &out, 8);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const S* in = heap.upload(std::vector<S>(inputs[i].begin(), inputs[i].end()));
    std::memcpy(block.data() + 8 * (i + 1), &in, 8);
  }
  Options options;
  options.heap = &heap;
  ptx::run(module.kernel("unit"), {{}, {32, 1, 1}}, options, block);
  std::array<D, 32> result;
  std::copy(out, out + 32, result.begin());
  return result;
}

}  // namespace simt::test
