// How text looks on a terminal: no wider than it is, and in colour where that is wanted.
#pragma once
#include <string>
#include <string_view>

namespace assay {

struct Style {
  Style(int wide, bool in_colour = false) : columns(wide), colour(in_colour) {}  // a width alone is a style
  int columns;
  bool colour;
};

/// Of a file or a pipe: as wide as a usual log.
inline const Style kNoTerminal{120};

enum class Tone { strong, good, bad, open, quiet };

/// As it is where the style has no colour.
std::string painted(std::string_view, Tone, const Style&);

/// Lines of at most `columns`: longer ones are broken at spaces, else behind a slash or comma, else anywhere, and go on
/// indented by four more than they began.  Colours take no room.
std::string folded(std::string_view, int columns);

/// Without what a terminal would obey, but for line breaks and colours: text of a file that someone else wrote.
std::string harmless(std::string_view);

}  // namespace assay
