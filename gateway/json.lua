-- Scans JSON text. A function here takes the text and a position and answers the position behind what it read,
-- so that a body is checked and cut up without being decoded. Bytes, not patterns: LuaJIT compiles these loops.
local json = {}

local byte, sub = string.byte, string.sub
local QUOTE, BACKSLASH, COLON, COMMA, SMALL_U = 34, 92, 58, 44, 117
local OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST = 123, 125, 91, 93
local ESCAPES = { ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- Gives up on the text. The caller that knows where in the message it stands adds `loc`.
function json.refuse(kind, message)
  error({ type = kind, msg = message }, 0)
end

local function malformed(text, pos, wanted)
  local found = pos > #text and "the end of the text" or json.quote(sub(text, pos, pos))
  json.refuse("json_invalid", "Invalid JSON: expected " .. wanted .. " but found " .. found .. " at byte " .. pos)
end
json.malformed = malformed

-- The position of the next byte that is not white space.
local function space(text, pos)
  while true do
    local b = byte(text, pos)
    if b ~= 32 and b ~= 10 and b ~= 13 and b ~= 9 then return pos end
    pos = pos + 1
  end
end
json.space = space

-- Hexadecimal digits by their bytes, and which bytes stand after a backslash alone.
local HEX, IS_ESCAPE = {}, {}
for value = 0, 15 do
  HEX[byte(("%x"):format(value))], HEX[byte(("%X"):format(value))] = value, value
end
for letter in pairs(ESCAPES) do IS_ESCAPE[byte(letter)] = true end

-- What the four hexadecimal digits of an escape say.
local function code_unit(text, pos)
  local a, b, c, d = byte(text, pos, pos + 3)
  a, b, c, d = HEX[a or 0], HEX[b or 0], HEX[c or 0], HEX[d or 0]
  if not (a and b and c and d) then malformed(text, pos, "four hexadecimal digits") end
  return ((a * 16 + b) * 16 + c) * 16 + d
end

-- The position behind an escape, `pos` being that of its backslash. Answers may have millions of them.
local function escape_end(text, pos)
  local letter = byte(text, pos + 1)
  if IS_ESCAPE[letter or 0] then return pos + 2 end
  if letter ~= SMALL_U then malformed(text, pos + 1, "an escape") end
  local unit = code_unit(text, pos + 2)
  if unit < 0xD800 or unit > 0xDFFF then return pos + 6 end
  -- Half of a pair alone is no text, and the server could not store it.
  local paired = byte(text, pos + 6) == BACKSLASH and byte(text, pos + 7) == SMALL_U
  local second = paired and code_unit(text, pos + 8) or 0
  if unit > 0xDBFF or second < 0xDC00 or second > 0xDFFF then malformed(text, pos, "a whole surrogate pair") end
  return pos + 12
end

-- The position behind the string that starts at `pos`.
local function string_end(text, pos)
  if byte(text, pos) ~= QUOTE then malformed(text, pos, "a string") end
  pos = pos + 1
  while true do
    local b = byte(text, pos)
    if b == QUOTE then return pos + 1 end
    if b == BACKSLASH then
      pos = escape_end(text, pos)
    elseif not b or b < 32 then
      malformed(text, pos, "a string's end")
    else
      pos = pos + 1
    end
  end
end
json.string_end = string_end

local function utf8_bytes(code)
  local char = string.char
  if code < 0x80 then return char(code) end
  local last = 0x80 + code % 0x40
  code = (code - code % 0x40) / 0x40
  if code < 0x20 then return char(0xC0 + code, last) end
  local middle = 0x80 + code % 0x40
  code = (code - code % 0x40) / 0x40
  if code < 0x10 then return char(0xE0 + code, middle, last) end
  return char(0xF0 + (code - code % 0x40) / 0x40, 0x80 + code % 0x40, middle, last)
end

-- The string that lies from `pos` to before `stop`, without quotes and escapes.
function json.unquote(text, pos, stop)
  local raw = sub(text, pos + 1, stop - 2)
  if not raw:find("\\", 1, true) then return raw end
  -- First, so that what follows a backslash that is meant is no escape.
  raw = raw:gsub("\\\\", "\\u005c")
  raw = raw:gsub("\\u([dD][89abAB]%x%x)\\u(%x%x%x%x)", function(high, low)
    return utf8_bytes(0x10000 + (tonumber(high, 16) - 0xD800) * 0x400 + tonumber(low, 16) - 0xDC00)
  end)
  return (raw:gsub("\\(.)(%x?%x?%x?%x?)", function(letter, digits)
    if letter == "u" then return utf8_bytes(tonumber(digits, 16)) end
    return ESCAPES[letter] .. digits
  end))
end

-- The position behind one digit or more.
local function digits_end(text, pos)
  local start = pos
  local b = byte(text, pos)
  while b and b >= 48 and b <= 57 do
    pos = pos + 1
    b = byte(text, pos)
  end
  if pos == start then malformed(text, pos, "a value") end
  return pos
end

-- The position behind the number that starts at `pos`, and whether it is written as an integer.
local function number_end(text, pos)
  if byte(text, pos) == 45 then pos = pos + 1 end
  local stop = digits_end(text, pos)
  if stop > pos + 1 and byte(text, pos) == 48 then malformed(text, pos, "a number without leading zeros") end
  local whole = true
  if byte(text, stop) == 46 then stop, whole = digits_end(text, stop + 1), false end
  local b = byte(text, stop)
  if b == 101 or b == 69 then
    b = byte(text, stop + 1)
    stop, whole = digits_end(text, (b == 43 or b == 45) and stop + 2 or stop + 1), false
  end
  return stop, whole
end
json.number_end = number_end

-- Refuses a number that a double cannot hold: Struct has nothing else, and would change it without a word.
local function check_number(text, pos, stop, whole)
  if stop - pos < 16 and whole then return end
  local literal = sub(text, pos, stop - 1)
  local number = tonumber(literal)
  if number - number ~= 0 then json.refuse("finite_number", "Number out of range: " .. sub(literal, 1, 40)) end
  if whole and string.format("%.0f", number) ~= literal then
    json.refuse("int_inexact", "Integer " .. sub(literal, 1, 40) .. " does not fit a double exactly; send it as a string")
  end
end

local LITERALS = { [116] = "true", [102] = "false", [110] = "null" }

-- Calls `member(key, pos)` for each member of the object at `pos`; it answers the position behind the value.
function json.each_member(text, pos, member)
  if byte(text, pos) ~= OPEN_OBJECT then malformed(text, pos, "an object") end
  pos = space(text, pos + 1)
  if byte(text, pos) == CLOSE_OBJECT then return pos + 1 end
  while true do
    local stop = string_end(text, pos)
    local colon = space(text, stop)
    if byte(text, colon) ~= COLON then malformed(text, colon, "a colon") end
    local key = json.unquote(text, pos, stop)
    pos = space(text, member(key, space(text, colon + 1)))
    local b = byte(text, pos)
    if b == CLOSE_OBJECT then return pos + 1 end
    if b ~= COMMA then malformed(text, pos, "a comma or the object's end") end
    pos = space(text, pos + 1)
  end
end

-- Calls `element(index, pos)` for each element of the list at `pos`; it answers the position behind it.
function json.each_element(text, pos, element)
  if byte(text, pos) ~= OPEN_LIST then malformed(text, pos, "a list") end
  pos = space(text, pos + 1)
  if byte(text, pos) == CLOSE_LIST then return pos + 1 end
  local index = 0
  while true do
    pos = space(text, element(index, pos))
    local b = byte(text, pos)
    if b == CLOSE_LIST then return pos + 1 end
    if b ~= COMMA then malformed(text, pos, "a comma or the list's end") end
    index, pos = index + 1, space(text, pos + 1)
  end
end

-- The position behind any value at `pos`, with at most `depth` objects and lists inside each other.
function json.skip(text, pos, depth)
  local b = byte(text, pos)
  if b == QUOTE then return string_end(text, pos) end
  if b == OPEN_OBJECT or b == OPEN_LIST then
    if depth == 0 then json.refuse("recursion_loop", "Nested too deeply") end
    local close = b == OPEN_OBJECT and CLOSE_OBJECT or CLOSE_LIST
    pos = space(text, pos + 1)
    if byte(text, pos) == close then return pos + 1 end
    while true do
      if b == OPEN_OBJECT then
        pos = space(text, string_end(text, pos))
        if byte(text, pos) ~= COLON then malformed(text, pos, "a colon") end
        pos = space(text, pos + 1)
      end
      pos = space(text, json.skip(text, pos, depth - 1))
      local after = byte(text, pos)
      if after == close then return pos + 1 end
      if after ~= COMMA then malformed(text, pos, "a comma or the end of the object or list") end
      pos = space(text, pos + 1)
    end
  end
  local literal = LITERALS[b]
  if literal then
    if sub(text, pos, pos + #literal - 1) ~= literal then malformed(text, pos, "a value") end
    return pos + #literal
  end
  local stop, whole = number_end(text, pos)
  check_number(text, pos, stop, whole)
  return stop
end

-- Decodes a value; for small texts only. Answers it and the position behind it; null is nil.
function json.decode(text, pos)
  local b = byte(text, pos)
  if b == OPEN_OBJECT or b == OPEN_LIST then
    local result, each = {}, b == OPEN_OBJECT and json.each_member or json.each_element
    local base = b == OPEN_LIST and 1 or nil
    local stop = each(text, pos, function(key, at)
      local value, after = json.decode(text, at)
      result[base and key + base or key] = value
      return after
    end)
    return result, stop
  end
  local stop = json.skip(text, pos, 0)
  if b == QUOTE then return json.unquote(text, pos, stop), stop end
  if b == 110 then return nil, stop end
  if b == 116 or b == 102 then return b == 116, stop end
  return tonumber(sub(text, pos, stop - 1)), stop
end

-- Whether a text is valid UTF-8, as every JSON text and protobuf string must be.
function json.is_utf8(text)
  local pos = text:find("[\128-\255]")
  while pos do
    local b = byte(text, pos)
    if not b then return true end
    if b < 0x80 then
      pos = pos + 1
    else
      local low, high, more = 0x80, 0xBF, nil
      if b >= 0xC2 and b <= 0xDF then more = 1
      elseif b >= 0xE0 and b <= 0xEF then more = 2
      elseif b >= 0xF0 and b <= 0xF4 then more = 3
      else return false end
      -- No overlong forms, no surrogates, nothing beyond U+10FFFF.
      if b == 0xE0 then low = 0xA0 elseif b == 0xED then high = 0x9F end
      if b == 0xF0 then low = 0x90 elseif b == 0xF4 then high = 0x8F end
      for i = 1, more do
        local next_byte = byte(text, pos + i)
        if not next_byte or next_byte < low or next_byte > high then return false end
        low, high = 0x80, 0xBF
      end
      pos = pos + 1 + more
    end
  end
  return true
end

-- Writes a string. Bytes that are no UTF-8 become question marks.
function json.quote(value)
  if not json.is_utf8(value) then value = value:gsub("[\128-\255]", "?") end
  return '"' .. value:gsub('[%z\1-\31"\\]', function(char)
    return (char == '"' or char == "\\") and "\\" .. char or string.format("\\u%04x", byte(char))
  end) .. '"'
end

return json
