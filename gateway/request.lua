-- Turns a REST body into the JSON of its request message, or refuses it and says where.
local json = require("json")
local schema = require("schema")
local timestamp = require("timestamp")

local byte, sub = string.byte, string.sub
local QUOTE, OBJECT, LIST, NULL = 34, 123, 91, 110

-- Protobuf reads messages up to 100 deep, and an object in a Struct takes three of them.
local MAX_DEPTH = 28

-- The body being read. A Lua state serves one thread and nothing here yields, so one is enough. `given` has the
-- names of the fields at its top, those that are null too.
local text, out, path, given

local refuse = json.refuse

local function emit(piece)
  out[#out + 1] = piece
end

-- Refuses a value of the wrong type; one that is no JSON at all is refused as such.
local function mistyped(pos, kind, wanted)
  json.skip(text, pos, MAX_DEPTH)
  refuse(kind, "Input should be " .. wanted)
end

local function is_null(pos)
  return byte(text, pos) == NULL and sub(text, pos, pos + 3) == "null"
end

local function is_number(pos)
  local b = byte(text, pos)
  return b == 45 or (b and b >= 48 and b <= 57)
end

local function read_string(pos)
  if byte(text, pos) ~= QUOTE then mistyped(pos, "string_type", "a valid string") end
  local stop = json.string_end(text, pos)
  return stop, json.unquote(text, pos, stop)
end

-- Copies a value that the server keeps as it is.
local function opaque(pos)
  local stop = json.skip(text, pos, MAX_DEPTH)
  emit(sub(text, pos, stop - 1))
  return stop
end

-- By kind of field: read one value at a position, emit it as protobuf wants it, answer the position behind it.
local readers = {}

readers.value = function(_, pos) return opaque(pos) end

function readers.struct(_, pos)
  if byte(text, pos) ~= OBJECT then mistyped(pos, "dict_type", "a valid dictionary") end
  return opaque(pos)
end

function readers.list(_, pos)
  if byte(text, pos) ~= LIST then mistyped(pos, "list_type", "a valid list") end
  return opaque(pos)
end

function readers.string(_, pos)
  if byte(text, pos) ~= QUOTE then mistyped(pos, "string_type", "a valid string") end
  return opaque(pos)
end

function readers.bool(_, pos)
  local stop = json.skip(text, pos, MAX_DEPTH)
  local literal = sub(text, pos, stop - 1)
  if literal ~= "true" and literal ~= "false" then refuse("bool_type", "Input should be a valid boolean") end
  emit(literal)
  return stop
end

function readers.double(_, pos)
  if not is_number(pos) then mistyped(pos, "float_type", "a valid number") end
  local stop = json.number_end(text, pos)
  local number = tonumber(sub(text, pos, stop - 1))
  if number - number ~= 0 then refuse("finite_number", "Input should be a finite number") end
  emit(sub(text, pos, stop - 1))
  return stop
end

function readers.int32(_, pos)
  if not is_number(pos) then mistyped(pos, "int_type", "a valid integer") end
  local stop = json.number_end(text, pos)
  local number = tonumber(sub(text, pos, stop - 1))
  if number < -2147483648 or number > 2147483647 then
    refuse("int_range", "Input should be between -2147483648 and 2147483647")
  end
  if number % 1 ~= 0 then refuse("int_from_float", "Input should be a valid integer") end
  emit(string.format("%d", number))
  return stop
end

function readers.enum(field, pos)
  local stop, name = read_string(pos)
  local value = field.enum.by_rest[name]
  if not value then refuse("enum", "Input should be one of " .. table.concat(field.enum.names, ", ")) end
  emit('"' .. value .. '"')
  return stop
end

function readers.timestamp(_, pos)
  local stop, moment = read_string(pos)
  local zoned = timestamp.to_proto(moment)
  if not zoned then refuse("datetime_parsing", "Input should be a valid ISO 8601 datetime") end
  emit('"' .. zoned .. '"')
  return stop
end

-- Reads the value of one member, list element or map entry.
local function read(field, pos)
  local stop = readers[field.kind](field, pos)
  path[#path] = nil
  return stop
end

local function read_list(field, pos)
  emit("[")
  -- A single value stands for a list of it.
  if byte(text, pos) ~= LIST then
    if byte(text, pos) == OBJECT then mistyped(pos, "list_type", "a valid list") end
    pos = readers[field.kind](field, pos)
  else
    pos = json.each_element(text, pos, function(index, at)
      path[#path + 1] = index
      if index > 0 then emit(",") end
      return read(field, at)
    end)
  end
  emit("]")
  return pos
end

local function read_map(field, pos)
  if byte(text, pos) ~= OBJECT then mistyped(pos, "dict_type", "a valid dictionary") end
  local seen, comma = {}, ""
  emit("{")
  pos = json.each_member(text, pos, function(key, at)
    path[#path + 1] = key
    if seen[key] then refuse("duplicate_key", "The key is given twice") end
    seen[key] = true
    emit(comma .. json.quote(key) .. ":")
    comma = ","
    return read(field, at)
  end)
  emit("}")
  return pos
end

local function read_message(message, pos)
  if byte(text, pos) ~= OBJECT then mistyped(pos, "dict_type", "a valid dictionary") end
  local seen, comma = {}, ""
  emit("{")
  pos = json.each_member(text, pos, function(key, at)
    path[#path + 1] = key
    local field = message.by_key[key]
    if not field then refuse("extra_forbidden", schema.unknown("field", key, message.keys)) end
    if seen[key] then refuse("duplicate_key", "The key is given twice") end
    seen[key] = true
    if #path == 1 then given[#given + 1] = (field.text or field).name end
    if is_null(at) then
      path[#path] = nil
      return at + 4
    end
    if field.kind == "either" then
      local b = byte(text, at)
      if b ~= QUOTE and b ~= OBJECT then mistyped(at, "string_or_dict_type", "a string or an object") end
      field = b == QUOTE and field.text or field.object
    end
    emit(comma .. '"' .. field.name .. '":')
    comma = ","
    local stop
    if field.repeated then stop = read_list(field, at)
    elseif field.map then stop = read_map(field, at)
    else stop = readers[field.kind](field, at) end
    path[#path] = nil
    return stop
  end)
  emit("}")
  return pos
end

function readers.message(field, pos)
  return read_message(field.message, pos)
end

local request = {}

-- The body for the transcoder and the names of its top fields, or nil and what is wrong with the caller's.
function request.to_proto(method, body)
  text, out, path, given = body, {}, {}, {}
  local ok, problem = pcall(function()
    if not json.is_utf8(text) then refuse("json_invalid", "Invalid JSON: not UTF-8") end
    local pos = json.space(text, 1)
    if pos > #text then return emit("{}") end
    local stop = json.space(text, read_message(method.body_message, pos))
    if stop <= #text then json.malformed(text, stop, "the end of the text") end
  end)
  local result, names, loc = out, given, { "body", unpack(path) }
  text, out, path, given = nil, nil, nil, nil
  if ok then return table.concat(result), names end
  if type(problem) ~= "table" then error(problem, 0) end
  return nil, { loc = loc, msg = problem.msg, type = problem.type }
end

return request
