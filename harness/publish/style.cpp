#include "harness/publish/style.h"

#include <algorithm>
#include <vector>

namespace assay {
namespace {

constexpr char kEscape = '\033';

/// A character as a terminal shows it, with the colour codes before it.
struct Glyph {
  std::string text;
  bool space = false;
  bool break_after = false;  // a long name may be parted there
};

/// The code that starts at `at`: ESC [ ... m.
std::size_t code_length(std::string_view text, std::size_t at) {
  const std::size_t end = text.find('m', at);
  return (end == std::string_view::npos ? text.size() : end + 1) - at;
}

/// Whether one starts at `at` that is whole and has numbers only.
bool is_colour(std::string_view text, std::size_t at) {
  if (text.substr(at, 2) != "\033[") return false;
  const std::size_t end = text.find_first_not_of("0123456789;", at + 2);
  return end != std::string_view::npos && text[end] == 'm';
}

std::size_t bytes_of(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

std::vector<Glyph> glyphs_of(std::string_view line) {
  std::vector<Glyph> out;
  std::string codes;
  for (std::size_t at = 0; at < line.size();) {
    const bool code = line[at] == kEscape;
    const std::size_t length = std::min(code ? code_length(line, at) : bytes_of(line[at]), line.size() - at);
    if (code)
      codes += line.substr(at, length);
    else
      out.push_back(
          {codes + std::string(line.substr(at, length)), line[at] == ' ', line[at] == '/' || line[at] == ','}),
          codes.clear();
    at += length;
  }
  // At the end of a line, behind what is seen.
  const auto seen = std::find_if(out.rbegin(), out.rend(), [](const Glyph& glyph) { return !glyph.space; });
  if (seen != out.rend()) seen->text += codes;
  return out;
}

std::string joined(const std::vector<Glyph>& glyphs, std::size_t from, std::size_t to) {
  std::string out;
  for (std::size_t i = from; i < to; ++i) out += glyphs[i].text;
  return out;
}

/// What a space that is left out would have switched.
std::string codes_of(const std::vector<Glyph>& spaces, std::size_t from, std::size_t to) {
  std::string out;
  for (std::size_t i = from; i < to; ++i) out += spaces[i].text.substr(0, spaces[i].text.size() - 1);
  return out;
}

/// Where the line that starts at `from` and has `room` ends.
std::size_t line_end(const std::vector<Glyph>& glyphs, std::size_t from, std::size_t room) {
  if (glyphs.size() - from <= room) return glyphs.size();
  std::size_t behind = 0;
  for (std::size_t i = from + room; i > from; --i) {
    if (glyphs[i].space) return i;
    if (!behind && glyphs[i - 1].break_after) behind = i;
  }
  return behind ? behind : from + room;
}

std::string folded_line(std::string_view line, std::size_t columns) {
  constexpr std::size_t kDeeper = 4, kLeastRoom = 8;
  const auto glyphs = glyphs_of(line);
  if (glyphs.size() <= columns) return std::string(line);
  std::size_t indent = 0;
  while (indent < glyphs.size() && glyphs[indent].space) ++indent;
  const std::size_t deeper = std::min(indent + kDeeper, columns > kLeastRoom ? columns - kLeastRoom : 0);
  std::string out = joined(glyphs, 0, indent);
  std::size_t at = indent, room = columns > indent ? columns - indent : 1;
  while (at < glyphs.size()) {
    const std::size_t end = line_end(glyphs, at, room);
    std::size_t last = end;
    while (last > at && glyphs[last - 1].space) --last;
    out += joined(glyphs, at, last);
    at = end;
    while (at < glyphs.size() && glyphs[at].space) ++at;
    out += codes_of(glyphs, last, at);
    if (at < glyphs.size()) out.append(1, '\n').append(deeper, ' ');
    room = columns - deeper;
  }
  return out;
}

}  // namespace

std::string painted(std::string_view text, Tone tone, const Style& style) {
  if (!style.colour || text.empty()) return std::string(text);
  const char* code = tone == Tone::strong ? "1"
                     : tone == Tone::good ? "32"
                     : tone == Tone::bad  ? "31"
                     : tone == Tone::open ? "33"
                                          : "2";
  return kEscape + std::string("[") + code + "m" + std::string(text) + kEscape + "[0m";
}

std::string folded(std::string_view text, int columns) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += folded_line(text.substr(at, end - at), std::size_t(std::max(1, columns)));
    if (end < text.size()) out += '\n';
    at = end + 1;
  }
  return out;
}

std::string harmless(std::string_view text) {
  constexpr char kDelete = '\x7f', kC1Lead = '\xc2';  // U+0080 to U+009F: one of them begins what ESC [ begins, too
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (is_colour(text, at)) {
      const std::size_t length = code_length(text, at);
      out += text.substr(at, length);
      at += length - 1;
    } else if (text[at] == kC1Lead && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xa0) {
      out += '?';
      ++at;
    } else {
      out += (byte < ' ' && text[at] != '\n') || text[at] == kDelete ? '?' : text[at];
    }
  }
  return out;
}

}  // namespace assay
