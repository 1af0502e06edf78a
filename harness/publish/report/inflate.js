// gzip (RFC 1952) of deflate (RFC 1951), unpacked at once: the page is drawn when it is loaded, in every browser, where
// the browser's own DecompressionStream would answer later.
const LENGTH_CODES = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const DISTANCE_CODES = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];  // of the lengths of code lengths
const lengthBits = (i) => (i < 8 || i === 28 ? 0 : (i >> 2) - 1);
const distanceBits = (i) => (i < 4 ? 0 : (i >> 1) - 1);

/// Bits from the lowest of each byte on; beyond the end they are 0, and `take` fails.
function bitReader(bytes, at) {
  let held = 0, count = 0;
  const fill = (n) => {
    for (; count < n; count += 8) held |= (bytes[at++] ?? 0) << count;
  };
  return {
    peek: (n) => (fill(n), held & ((1 << n) - 1)),
    drop: (n) => {
      held >>>= n;
      count -= n;
      if (at - (count >> 3) > bytes.length) throw new Error("packed data ends early");
    },
    take(n) {
      const value = this.peek(n);
      this.drop(n);
      return value;
    },
    bytes(n) {  // after the rest of the byte that was begun
      at -= count >> 3;
      held = count = 0;
      if (at + n > bytes.length) throw new Error("packed data ends early");
      return bytes.subarray(at, at += n);
    },
  };
}

/// Canonical Huffman codes as a table over as many bits as the longest has: symbol << 4 | length.
function codeTable(lengths) {
  const longest = Math.max(1, ...lengths), table = new Uint16Array(1 << longest);
  let code = 0;
  for (let length = 1; length <= longest; ++length, code <<= 1)
    lengths.forEach((one, symbol) => {
      if (one !== length) return;
      let reversed = 0;
      for (let i = 0; i < length; ++i) reversed |= (code >> i & 1) << (length - 1 - i);
      for (let i = reversed; i < table.length; i += 1 << length) table[i] = symbol << 4 | length;
      ++code;
    });
  return {table, longest};
}

function symbolOf(bits, {table, longest}) {
  const entry = table[bits.peek(longest)];
  if (entry === 0) throw new Error("packed data has a code that is none");
  bits.drop(entry & 15);
  return entry >> 4;
}

function dynamicCodes(bits) {
  const literals = bits.take(5) + 257, distances = bits.take(5) + 1, count = bits.take(4) + 4;
  const ofLengths = new Array(19).fill(0), lengths = [];
  for (let i = 0; i < count; ++i) ofLengths[CODE_ORDER[i]] = bits.take(3);
  const codes = codeTable(ofLengths);
  while (lengths.length < literals + distances) {
    const symbol = symbolOf(bits, codes);
    const [value, times] = symbol < 16 ? [symbol, 1] :
        symbol === 16                  ? [lengths.at(-1), 3 + bits.take(2)] :
        symbol === 17                  ? [0, 3 + bits.take(3)] :
                                         [0, 11 + bits.take(7)];
    for (let i = 0; i < times; ++i) lengths.push(value);
  }
  return [codeTable(lengths.slice(0, literals)), codeTable(lengths.slice(literals))];
}

function fixedCodes() {
  const lengths = Array.from({length: 288}, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8));
  return [codeTable(lengths), codeTable(new Array(30).fill(5))];
}

function inflateBlock(bits, [literals, distances], out, at) {
  for (;;) {
    const symbol = symbolOf(bits, literals);
    if (symbol === 256) return at;
    if (symbol < 256) {
      out[at++] = symbol;
      continue;
    }
    const length = LENGTH_CODES[symbol - 257] + bits.take(lengthBits(symbol - 257));
    const code = symbolOf(bits, distances), from = at - DISTANCE_CODES[code] - bits.take(distanceBits(code));
    for (let i = 0; i < length; ++i) out[at + i] = out[from + i];  // one by one: it may overlap itself
    at += length;
  }
}

/// gzip without the optional parts of its header, as the program writes it.
function gunzip(bytes) {
  const header = 10, size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4, true);
  const bits = bitReader(bytes, header), out = new Uint8Array(size);
  for (let at = 0, last = 0; !last;) {
    last = bits.take(1);
    const kind = bits.take(2);
    if (kind === 0) {
      const [low, high] = bits.bytes(4);  // the other two are their complement
      const stored = bits.bytes(low | high << 8);
      out.set(stored, at);
      at += stored.length;
    } else {
      at = inflateBlock(bits, kind === 1 ? fixedCodes() : dynamicCodes(bits), out, at);
    }
    if (last && at !== size) throw new Error("packed data has another length than it says");
  }
  return out;
}

/// The text that an element of the page holds, gzip in base64.
const unpackedText = (id) => new TextDecoder().decode(
    gunzip(Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0))));
