// PTX's fundamental types.
#pragma once
#include <string_view>

namespace simt::ptx {

enum class Type {
  none,
  pred,
  b8,
  u8,
  s8,
  b16,
  u16,
  s16,
  f16,
  bf16,
  b32,
  u32,
  s32,
  f32,
  f16x2,
  bf16x2,
  e4m3x2,
  tf32,
  b64,
  u64,
  s64,
  f64,
  f32x2,
  b128
};

struct TypeInfo {
  Type type;
  std::string_view name;
  unsigned bytes;
};

inline constexpr TypeInfo kTypes[] = {
    {Type::pred, "pred", 0},     {Type::b8, "b8", 1},       {Type::u8, "u8", 1},         {Type::s8, "s8", 1},
    {Type::b16, "b16", 2},       {Type::u16, "u16", 2},     {Type::s16, "s16", 2},       {Type::f16, "f16", 2},
    {Type::bf16, "bf16", 2},     {Type::b32, "b32", 4},     {Type::u32, "u32", 4},       {Type::s32, "s32", 4},
    {Type::f32, "f32", 4},       {Type::f16x2, "f16x2", 4}, {Type::bf16x2, "bf16x2", 4}, {Type::tf32, "tf32", 4},
    {Type::e4m3x2, "e4m3x2", 2}, {Type::b64, "b64", 8},     {Type::u64, "u64", 8},       {Type::s64, "s64", 8},
    {Type::f64, "f64", 8},       {Type::f32x2, "f32x2", 8}, {Type::b128, "b128", 16}};

constexpr Type parse_type(std::string_view name) {
  for (const auto& t : kTypes)
    if (t.name == name) return t.type;
  return Type::none;
}
constexpr unsigned width(Type type) {
  for (const auto& t : kTypes)
    if (t.type == type) return t.bytes;
  return 0;
}
constexpr bool is_signed(Type t) { return t == Type::s8 || t == Type::s16 || t == Type::s32 || t == Type::s64; }

}  // namespace simt::ptx
