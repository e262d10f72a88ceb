"""Files that attack whoever reads them, or are damaged. Whatever runs one of them leaves a file `canary` behind.

`PICKLES` and `TORCH_FILES` map a name to the file's bytes and what the error must say. They are put together from
instructions by hand, because no honest pickler writes most of them.
"""

import gzip
import io
import pickle
import random
import struct
import zipfile

import torch

from tests.zoo.genuine import official

TOUCH = "touch canary"
PYTHON = "open('canary', 'w').close()"
LISTED = "not on the list"
LARGE = 20_000_000


# -- instructions ---------------------------------------------------------------------------------------------------
def named(module, name):
    return f"c{module}\n{name}\n".encode()


def stacked(module, name):
    """The newer way to name a type: any text can be in it."""
    return plain(module) + plain(name) + b"\x93"


class Code(bytes):
    """Instructions, where a value could be."""


def plain(x):
    """Protocol 2 has no frames, so its instructions can stand anywhere."""
    return x if isinstance(x, Code) else Code(pickle.dumps(x, 2)[2:-1])


def call(module, name, *arguments, by=b"R"):
    return Code(named(module, name) + b"(" + b"".join(map(plain, arguments)) + b"t" + by)


def build(target, state):
    return Code(target + plain(state) + b"b")


def a_list(*items):
    return Code(b"](" + b"".join(map(plain, items)) + b"e")


def a_dict(**items):
    return Code(b"}(" + b"".join(plain(k) + plain(v) for k, v in items.items()) + b"u")


def file(code):
    return b"\x80\x04" + plain(code) + b"."


def network(state, **more):
    meta = a_dict(**{"type": "class", "version": 6, "module_src": "", "class_name": "Generator", "state": state} | more)
    return call("torch_utils.persistence", "_reconstruct_persistent_obj", meta)


def hidden(code):
    """A file that looks official, with this deep inside."""
    weights = a_dict(weight=code, bias=None)
    return file(a_dict(G_ema=network(a_dict(training=False, _parameters=weights)), G=None))


def identity(*more, kind="FloatStorage", key="0", count=1):
    """What a tensor in a file by torch.save has for its storage: a persistent id. The older format adds one part."""
    return Code(b"(" + b"".join(map(plain, ("storage", Code(named("torch", kind)), key, "cpu", count, *more))) + b"tQ")


def legacy(storage=b"", keys=("0",), numbers=b"\x01" + bytes(7) + bytes(4), kind="FloatStorage", count=1, **change):
    """The older format of torch.save, with a storage of `count` numbers, or with other parts instead."""
    parts = {
        "magic": file(0x1950A86A20F9469CFC6C),
        "version": file(1001),
        "about": file({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}),
        "object": file(storage or identity(None, kind=kind, count=count)),
        "keys": keys if isinstance(keys, bytes) else file(list(keys)),
        "numbers": numbers,
    }
    return b"".join((parts | change).values())


def storage(content=None):
    return call("torch.storage", "_load_from_bytes", Code(b"B" + struct.pack("<I", len(content)) + content))


def tensor(shape=(1,), strides=(1,), offset=0, numbers=None, grad=False, hooks=None, *more):
    hooks = call("collections", "OrderedDict") if hooks is None else hooks
    numbers = storage(legacy()) if numbers is None else numbers
    return call("torch._utils", "_rebuild_tensor_v2", numbers, offset, shape, strides, grad, hooks, *more)


def repeated(function, *arguments, times):
    """A list of results of the same call, with the same arguments."""
    given = Code(b"(" + b"".join(map(plain, arguments)) + b"tr\xf1\0\0\0")
    return Code(b"0".join([function + b"r\xf0\0\0\0", given, b"("]) + b"j\xf0\0\0\0j\xf1\0\0\0R" * times + b"l")


def dtype(code, *state):
    made = call("numpy", "dtype", code, False, True)
    return build(made, state) if state else made


def array(kind, shape, raw, fortran=False):
    return build(EMPTY, Code(b"(" + b"".join(map(plain, (1, shape, kind, fortran, raw))) + b"t"))


def deep(opening, closing, core=b"N", times=100_000):
    return Code(opening * times + core + closing * times)


SYSTEM = call("os", "system", TOUCH)
EMPTY = call("numpy._core.multiarray", "_reconstruct", Code(named("numpy", "ndarray")), (0,), b"b")
F4 = dtype("f4", 3, "<", None, None, None, -1, -1, 0)


# -- calls of what isn't on the list: (module, name) and arguments with which it would leave its mark ---------------
CALLS = [
    ("os", "system", TOUCH),
    ("posix", "system", TOUCH),
    ("nt", "system", TOUCH),
    ("os", "popen", TOUCH),
    ("os", "execvp", "touch", ["touch", "canary"]),
    ("subprocess", "Popen", ["touch", "canary"]),
    ("subprocess", "check_output", ["touch", "canary"]),
    ("builtins", "eval", PYTHON),
    ("builtins", "exec", PYTHON),
    ("builtins", "compile", PYTHON, "x", "exec"),
    ("builtins", "open", "canary", "w"),
    ("builtins", "getattr", SYSTEM, "x"),
    ("builtins", "__import__", "antigravity"),
    ("builtins", "print", "x"),
    ("__builtin__", "eval", PYTHON),
    ("__builtin__", "file", "canary", "w"),
    ("io", "open", "canary", "w"),
    ("_io", "FileIO", "canary", "w"),
    ("codecs", "open", "canary", "w"),
    ("torch", "load", "canary"),
    ("torch", "save", 1, "canary"),
    ("torch.hub", "load", "a/b", "c"),
    ("torch.jit", "load", "canary"),
    ("torch.serialization", "load", "canary"),
    ("torch.utils.cpp_extension", "load_inline", "x", ""),
    ("torch._utils", "_import_dotted_name", "os.system"),
    ("torch._utils", "_rebuild_wrapper_subclass", 1),
    ("torch.nn.modules.linear", "Linear", 1, 1),
    ("torch_utils.persistence", "_src_to_module", PYTHON),
    ("torch_utils.persistence", "import_hook", 1),
    ("dnnlib.util", "call_func_by_name", "os.system", TOUCH),
    ("dnnlib.util", "open_url", "canary"),
    ("dnnlib.tflib.network", "Network"),
    ("functools", "partial", Code(named("os", "system")), TOUCH),
    ("operator", "attrgetter", "system"),
    ("operator", "methodcaller", "system", TOUCH),
    ("types", "CodeType", 0),
    ("types", "FunctionType", 0),
    ("runpy", "run_path", "canary.py"),
    ("runpy", "_run_code", PYTHON, {}),
    ("timeit", "timeit", "pass", PYTHON),
    ("webbrowser", "open", "file:canary"),
    ("ctypes", "CDLL", "canary.so"),
    ("pathlib", "Path", "canary"),
    ("importlib", "import_module", "antigravity"),
    ("importlib.util", "spec_from_file_location", "x", "canary.py"),
    ("shutil", "copyfile", "attack.pkl", "canary"),
    ("pty", "spawn", ["touch", "canary"]),
    ("code", "InteractiveInterpreter"),
    ("marshal", "loads", b"N"),
    ("pickle", "loads", pickle.dumps(1)),
    ("_pickle", "loads", pickle.dumps(1)),
    ("copyreg", "_reconstructor", Code(named("builtins", "dict"))),
    ("copyreg", "add_extension", "os", "system", 1),
    ("copy_reg", "_reconstructor", 1),
    ("numpy", "load", "canary", None, True),
    ("numpy", "fromfile", "canary"),
    ("numpy.core.multiarray", "fromfile", "canary"),
    ("numpy.testing._private.utils", "runstring", PYTHON, {}),
    ("collections", "namedtuple", "x", "y"),
    ("_codecs", "lookup", "rot13"),
    ("argparse", "Namespace"),
]
# These leave their mark at once when a real unpickler reads them: the test of the tests.
LIVE = ["os.system", "posix.system", "subprocess.check_output", "builtins.eval", "builtins.exec", "timeit.timeit"]


def _pickles():
    whole = official(4)
    cases = {}
    for module, name, *arguments in CALLS:
        cases[f"calls {module}.{name}"] = file(call(module, name, *arguments)), [LISTED, repr(f"{module}.{name}")]

    # The same, where only a reader that follows every instruction meets it.
    wanted = [LISTED, "'os.system'"]
    ordered = Code(named("collections", "OrderedDict"))
    of_a_mark = "sets the state of a 'collections.OrderedDict'"
    places = {
        "a parameter": SYSTEM,
        "an OrderedDict's entries": Code(call("collections", "OrderedDict") + b"(" + plain("k") + SYSTEM + b"u"),
        "an OrderedDict's arguments": call("collections", "OrderedDict", a_list(Code(plain("k") + SYSTEM + b"\x86"))),
        "an OrderedDict's attributes": build(call("collections", "OrderedDict"), a_dict(_metadata=SYSTEM)),
        "an EasyDict's attributes": build(call("dnnlib.util", "EasyDict", by=b"\x81"), a_dict(x=SYSTEM)),
        "a tensor's shape": tensor(shape=Code(SYSTEM + b"\x85")),
        "a tensor's hooks": tensor(hooks=a_dict(x=SYSTEM)),
        "a parameter's data": call("torch._utils", "_rebuild_parameter", SYSTEM, False, {}),
        "a storage's bytes": call("torch.storage", "_load_from_bytes", SYSTEM),
        "an array's content": array(F4, (1,), SYSTEM),
        "a scalar's content": call("numpy.core.multiarray", "scalar", F4, SYSTEM),
        "a set": call("builtins", "set", a_list(SYSTEM)),
        "a popped value": Code(SYSTEM + b"0N"),
        "a popped mark": Code(b"(" + SYSTEM + b"1N"),
        "the source": network({}, module_src=SYSTEM),
        "a network's name": network({}, class_name=SYSTEM),
        "an unused name": Code(named("os", "system") + b"0N"),
        "a chain of calls": Code(named("os", "system") + plain(TOUCH) + b"\x85R)R"),
        "NEWOBJ": call("os", "system", TOUCH, by=b"\x81"),
        "STACK_GLOBAL": Code(stacked("os", "system") + plain(TOUCH) + b"\x85R"),
        "STACK_GLOBAL from the memo": Code(plain("os") + b"q\xf00" + plain("system") + b"q\xf10h\xf0h\xf1\x93)R"),
        "INST": Code(b"(" + plain(TOUCH) + b"ios\nsystem\n"),
        "OBJ": Code(b"(" + named("os", "system") + plain(TOUCH) + b"o"),
    }  # fmt: skip
    cases |= {f"os.system in {place}": (hidden(code), wanted) for place, code in places.items()}

    # Names that resemble what is on the list.
    look_alikes = {
        "dots in a name": (stacked("torch._utils", "os.system"), "torch._utils.os.system"),
        "a name split elsewhere": (stacked("torch", "_utils._rebuild_parameter"), LISTED),
        "attributes of a type": (stacked("collections", "OrderedDict.__init__.__globals__"), "__globals__"),
        "attributes of a function": (stacked("torch.storage", "_load_from_bytes.__code__"), "__code__"),
        "a module of a module": (stacked("torch.storage", "io.os.system"), "io.os.system"),
        "a cyrillic letter": (stacked("c\u043ellections", "OrderedDict"), "'c\\u043ellections.OrderedDict'"),
        "a zero-width space": (stacked("collections", "OrderedDict\u200b"), "'collections.OrderedDict\\u200b'"),
        "lines and colours": (stacked("os\nfine\r\x1b[31m", "system\x00"), r"'os\nfine\r\x1b[31m.system\x00'"),
        "a very long name": (stacked("os", "system" * 5000), "..."),
        "a lone surrogate": (Code(b"X\x03\x00\x00\x00\xed\xa0\x80" + plain("x") + b"\x93"), r"'\ud800.x'"),
        "no text": (Code(plain(1) + plain("x") + b"\x93"), "something other than text"),
        "another case": (stacked("Collections", "orderedDict"), LISTED),
        "an empty module": (stacked("", "collections.OrderedDict"), LISTED),
        "not ASCII in GLOBAL": ("c\u043es\nsystem\n".encode(), "near byte"),
        "a space in GLOBAL": (named("os system", "x"), "'os.system x'"),
    }
    cases |= {f"named with {what}": (hidden(Code(code)), [word]) for what, (code, word) in look_alikes.items()}

    # Instructions that no checkpoint has, and those that it has, used otherwise.
    used = {
        "EXT1": (Code(b"\x82\x01"), "EXT1"),
        "EXT2": (Code(b"\x83\x01\x00"), "EXT2"),
        "EXT4": (Code(b"\x84\x01\x00\x00\x00"), "EXT4"),
        "PERSID": (Code(b"Pos.system\n"), "PERSID"),
        "BINPERSID": (Code(plain("os.system") + b"Q"), "BINPERSID"),
        "NEXT_BUFFER": (Code(b"\x97"), "NEXT_BUFFER"),
        "READONLY_BUFFER": (Code(plain(b"x") + b"\x98"), "READONLY_BUFFER"),
        "INST of a listed type": (Code(b"(icollections\nOrderedDict\n"), "INST"),
        "OBJ of a listed type": (Code(b"(" + ordered + b"o"), "OBJ"),
        "NEWOBJ_EX": (Code(ordered + b")}\x92"), "NEWOBJ_EX"),
        "BUILD of a mark": (build(ordered, {"__setstate__": "os.system"}), of_a_mark),
        "BUILD of __dict__": (build(ordered, {"__dict__": {"act": "os.system"}}), of_a_mark),
        "BUILD of a mark's attribute": (build(ordered, (None, {"act": "os.system"})), of_a_mark),
        "BUILD of a network": (build(network({}), {"class_name": "os.system"}), "sets the state of a 'Persistent'"),
        "BUILD of a list": (build(a_list(1), {"append": 1}), "sets the state of a 'list'"),
        "BUILD of a tensor": (build(tensor(), {"__class__": "x"}), "sets the state of a 'Tensor'"),
        "BUILD of slots": (build(a_dict(a=1), (None, {"keys": 1})), "sets the state of a 'dict'"),
        "call of a dict": (Code(b"})R"), "'dict'"),
        "call of text": (Code(plain("os.system") + b")R"), "can't be called: 'os.system'"),
        "call of a result": (Code(call("collections", "OrderedDict") + b")R"), "can't be called: 'dict'"),
        "call of ndarray": (call("numpy", "ndarray", (1,)), "can't be called: 'numpy.ndarray'"),
        "call of a storage's type": (call("torch", "FloatStorage", 9), "can't be called"),
        "call of a dtype": (call("torch", "float32"), "can't be called: 'dtype'"),
        "call with a list": (Code(ordered + b"]R"), "can't be called"),
        "OrderedDict with entries": (call("collections", "OrderedDict", []), "'collections.OrderedDict' what it does"),
        "EasyDict with entries": (call("dnnlib.util", "EasyDict", {"a": 1}), "'dnnlib.util.EasyDict' what it does"),
        "encode with another codec": (call("_codecs", "encode", "x", "rot13"), "unusual form"),
        "encode outside Latin-1": (call("_codecs", "encode", "\u732b", "latin1"), "'_codecs.encode' what it does not"),
        "a set of a dict": (call("builtins", "set", {}), "something other than a list"),
        "a leftover mark": (ordered, "has a 'collections.OrderedDict' where plain data belongs"),
        "a leftover storage": (storage(legacy()), "has a 'Storage' where plain data belongs"),
        "a leftover NumPy type": (F4, "where plain data belongs"),
        "a leftover array": (EMPTY, "where plain data belongs"),
        "a key that is a tuple": (Code(b"}" + plain((1, 2)) + b"Ns"), "isn't a name"),
        "a key that is a list": (Code(b"}" + a_list() + b"Ns"), "isn't a name"),
        "a key that is huge": (Code(b"}" + plain(2**61 - 1) + b"Ns"), "isn't a name"),
        "an odd number of entries": (Code(b"}(" + plain("k") + b"u"), "near byte"),
        "APPEND to a dict": (Code(b"}Na"), "isn't a list"),
        "SETITEM of a list": (Code(b"]" + plain("k") + b"Ns"), "isn't a dict"),
        "SETITEM of a network": (Code(network({}) + plain("state") + b"Ns"), "isn't a dict"),
        "ADDITEMS to a list": (Code(b"](N\x90"), "isn't a set"),
        "a network that isn't a class": (network({}, type="function"), "'function'"),
        "a network without state": (network(None), "isn't a dictionary"),
        "a network named oddly": (network({}, class_name="os.system('x')"), "without a name"),
        "a network of nothing": (call("torch_utils.persistence", "_reconstruct_persistent_obj"), "does not take"),
        "a memo that is empty": (Code(b"h\x63"), "near byte"),
        "a stack that is empty": (Code(b"0" * 50 + b"N"), "near byte"),
    }  # fmt: skip
    cases |= {f"uses {what}": (hidden(code), [word]) for what, (code, word) in used.items()}

    # Tensors and arrays that claim what isn't there, or aren't plain numbers.
    integer = storage(legacy(kind="LongStorage", numbers=b"\x01" + bytes(15)))
    buffer = "numpy._core.numeric", "_frombuffer"
    objects = {
        "size": (tensor(shape=(2,)), "larger than its numbers"),
        "stride": (tensor((2,), (9,), 0, storage(legacy(count=2, numbers=b"\x02" + bytes(15)))), "larger"),
        "stride 0": (tensor(shape=(1 << 39,), strides=(0,)), "larger than its numbers"),
        "offset": (tensor(offset=1), "larger than its numbers"),
        "negative size": (tensor(shape=(-1,)), "odd shape"),
        "negative stride": (tensor(strides=(-1,)), "odd shape"),
        "negative offset": (tensor(offset=-1), "odd shape"),
        "a size that overflows": (tensor(shape=(1 << 62, 4), strides=(1, 1)), "odd shape"),
        "sizes that overflow": (tensor(shape=(1 << 33, 1 << 33), strides=(0, 0)), "larger than its numbers"),
        "a size of nothing, huge": (tensor(shape=(0, 1 << 39, 1 << 39), strides=(1, 1, 1)), "does not take"),
        "a size that is text": (tensor(shape=("1",)), "odd shape"),
        "more sizes than strides": (tensor(shape=(1, 1)), "odd shape"),
        "a thousand dimensions": (tensor(shape=(1,) * 1000, strides=(1,) * 1000), "odd shape"),
        "hooks": (tensor(hooks={"x": 1}), "hooks"),
        "metadata": (tensor((1,), (1,), 0, None, False, None, {"x": 1}), "extras"),
        "a gradient that is text": (tensor(grad="yes"), "extras"),
        "a gradient of integers": (tensor((1,), (1,), 0, integer, True), "does not take"),
        "no storage": (tensor(numbers=b"abcd"), "without numbers"),
        "a tensor as its storage": (tensor(numbers=tensor()), "without numbers"),
        "a parameter of text": (call("torch._utils", "_rebuild_parameter", "x", False, {}), "isn't a tensor"),
        "NumPy objects": (array(dtype("O"), (1,), a_list(SYSTEM)), "'O'"),
        "NumPy objects by size": (array(dtype("O8"), (1,), [None]), "'O8'"),
        "a NumPy object": (call("numpy.core.multiarray", "scalar", dtype("O"), pickle.dumps(1)), "'O'"),
        "NumPy fields by text": (dtype("f4,O"), "'f4,O'"),
        "NumPy raw memory": (dtype("V8"), "'V8'"),
        "NumPy text": (dtype("U4"), "'U4'"),
        "NumPy times": (dtype("M8[ns]"), "'M8[ns]'"),
        "a NumPy type that is a tuple": (dtype(("f4", 2)), "'tuple'"),
        "a NumPy type by a type": (dtype(Code(named("numpy", "ndarray"))), "of type 'numpy.ndarray'"),
        "NumPy fields": (dtype("f4", 3, "|", None, ("x",), {"x": 1}, 8, 1, 16), "fields"),
        "NumPy types in types": (dtype("f4", 3, "<", (1, 2), None, None, 8, 1, 16), "fields"),
        "NumPy with metadata": (dtype("f4", 4, "<", None, None, None, -1, -1, 0, {"x": 1}), "fields"),
        "a NumPy byte order": (dtype("f4", 3, "O", None, None, None, -1, -1, 0), "fields"),
        "an array without its type": (array("f4", (1,), bytes(4)), "without type"),
        "an array that is too short": (array(F4, (2,), bytes(4)), "size isn't"),
        "an array that is too long": (array(F4, (1,), bytes(8)), "size isn't"),
        "an array of a huge shape": (array(F4, (1 << 40, 1 << 40), bytes(4)), "size isn't"),
        "an array of a negative shape": (array(F4, (-1, -1), bytes(4)), "odd shape"),
        "an array of a list": (array(F4, (1,), [1.0]), "without type"),
        "an array of a subclass": (call("numpy.core.multiarray", "_reconstruct", ordered, (0,), b"b"), "special"),
        "a buffer in a new order": (call(*buffer, bytes(4), F4, (1,), "A"), "odd shape"),
        "a buffer with wild axes": (call(*buffer, bytes(4), F4, (1,), "K", (7,)), "does not take"),
    }  # fmt: skip
    cases |= {f"has {what}": (hidden(code), [word]) for what, (code, word) in objects.items()}

    # Files inside the file.
    zipped = io.BytesIO()
    torch.save(torch.zeros(1), zipped)
    patch = Code(b"(" + plain("module") + ordered + plain("x.py") + plain("x") + b"tQ")
    inner = {
        "a bad object": (legacy(storage=SYSTEM), "'os.system'"),
        "a bad first part": (file(SYSTEM), "'os.system'"),
        "a bad description": (legacy(about=file(SYSTEM)), "'os.system'"),
        "a bad list of keys": (legacy(keys=file(SYSTEM)), "'os.system'"),
        "a bad type of storage": (legacy(kind="load"), "'torch.load'"),
        "a type that isn't a storage": (legacy(kind="float32"), "oddly"),
        "a plain pickle": (file([1, 2]), "torch.save"),
        "itself": (legacy(storage=storage(legacy())), "'torch.storage._load_from_bytes'"),
        "a network": (legacy(storage=network({})), "'torch_utils.persistence._reconstruct_persistent_obj'"),
        "a zip archive": (zipped.getvalue(), "zip archive"),
        "a zip bomb": (zip_of({"a/data.pkl": bytes(10_000_000)}, zipfile.ZIP_DEFLATED), "zip archive"),
        "source to patch": (legacy(storage=patch), "oddly"),
        "a view of a storage": (legacy(storage=identity(("0", 0, 1))), "oddly"),
        "2**40 numbers": (legacy(count=1 << 40), "more memory"),
        "2**100 numbers": (legacy(count=1 << 100), "more memory"),
        "-1 numbers": (legacy(count=-1), "oddly"),
        "another length": (legacy(count=2), "another length"),
        "another length later": (legacy(numbers=b"\x02" + bytes(11)), "another length"),
        "no numbers": (legacy(numbers=b""), "cut short"),
        "numbers of no storage": (legacy(keys=("0", "1")), "other storages"),
        "no storage": (legacy(storage=plain([]), keys=(), numbers=b""), "something other than numbers"),
        "more after its end": (legacy() + b"x", "after its end"),
        "another byte order": (legacy(about=file({"little_endian": False})), "byte order"),
        "another version": (legacy(version=file(1002)), "torch.save"),
        "nothing": (b"", "near byte"),
    }  # fmt: skip
    cases |= {f"storage with {what}": (hidden(tensor(numbers=storage(b))), [w]) for what, (b, w) in inner.items()}

    # Exhaustion. (Hashing, comparing or printing 100,000 levels would end the process.)
    doubling = b"]" + b"".join(
        b"q" + bytes([n]) + b"0](" + b"h" + bytes([n]) + b"h" + bytes([n]) + b"e" for n in range(60)
    )
    chain = b"(" + b"".join(b"(h\x01N" + b"lq\x01" if n else b"]q\x01" for n in range(20_000)) + b"l"
    kilobytes = plain(bytes(30_000).decode())
    again = Code(named("_codecs", "encode") + b"q\x01" + kilobytes + b"q\x02" + plain("latin1") + b"q\x03000")
    around = network(Code(b"j\xf0\0\0\0"))
    into, out_of = network(a_dict(block=Code(b"CUT"))).split(b"CUT")
    numbers = Code(named(*buffer))
    thousands, members = bytes(20_000), list(range(20_000))
    rebuild = Code(named("torch._utils", "_rebuild_tensor_v2"))
    many = storage(legacy(count=5_000, numbers=struct.pack("<Q", 5_000) + bytes(20_000)))
    loads = Code(named("torch.storage", "_load_from_bytes"))
    whole_storage = Code(b"B" + struct.pack("<I", len(legacy())) + legacy())
    everywhere = b"".join(b"r" + struct.pack("<I", n) for n in range(20_000))
    exhausting = {
        "deep tuples": (deep(b"", b"\x85"), "nested"),
        "deep lists": (deep(b"(", b"l", times=30_000), "nested"),
        "deep dicts": (deep(b"(" + plain("k"), b"d", times=30_000), "nested"),
        "deep lists, appended": (deep(b"]", b"a", times=30_000), "nested"),
        "deep lists, one by one": (Code(chain), "nested"),
        "a deep key": (Code(b"}" + deep(b"", b"\x85") + b"Ns"), "isn't a name"),
        "a deep member of a set": (Code(b"(" + deep(b"", b"\x85") + b"\x91"), "isn't a name"),
        "deep networks": (deep(into, out_of, b"N", 3_000), "nested"),
        "a list that contains itself": (Code(b"]q\x01h\x01a"), "contains itself"),
        "a dict that contains itself": (Code(b"}q\x01" + plain("k") + b"h\x01s"), "contains itself"),
        "a network that contains itself": (Code(b"}r\xf0\0\0\0" + plain("k") + around + b"s"), "contains itself"),
        "a list of lists, doubled 60 times": (Code(doubling), "same ones again"),
        "bytes made again and again": (Code(again + b"(" + b"h\x01h\x02h\x03\x86R" * 2000 + b"l"), "more memory"),
        "arrays made again and again": (repeated(numbers, thousands, F4, (5_000,), times=50), "more memory"),
        "views of the same numbers": (repeated(rebuild, many, 0, (5_000,), (1,), False, {}, times=50), "more memory"),
        "sets made again and again": (repeated(Code(named("builtins", "set")), members, times=5_000), "more memory"),
        "storages read again and again": (repeated(loads, whole_storage, times=2_000), "Storage"),
        "an array in 20,000 places": (Code(EMPTY + everywhere + b"2" * 20_000 + b"Nb"), "sets the state"),
        "a million instructions": (Code(b"N0" * 600_000 + b"N"), "1000000 instructions"),
        "a number of a megabyte": (Code(b"\x8b" + struct.pack("<I", 1 << 20) + b"\x01" * (1 << 20)), "long number"),
        "a number of 200 bytes": (Code(b"\x8a\xc8" + b"\x01" * 200), "long number"),
        "a number of many digits": (Code(b"L" + b"9" * 100_000 + b"L\n"), "near byte"),
        "bytes that aren't there": (Code(b"\x8e" + struct.pack("<Q", 1 << 62) + b"x"), "near byte"),
        "text that isn't there": (Code(b"\x8d" + struct.pack("<Q", 1 << 40) + b"x"), "near byte"),
        "more text than a machine has": (Code(b"\x8d" + b"\xff" * 8 + b"x"), "near byte"),
        "a frame that isn't there": (Code(b"\x95" + struct.pack("<Q", 1 << 62)), None),
    }  # fmt: skip
    cases |= {what: (file(code), [word] if word else []) for what, (code, word) in exhausting.items()}

    # Damage.
    for share in range(0, 100, 9):
        end = max(1, len(whole) * share // 100)
        cases[f"cut after {share} percent"] = whole[:end], ["near byte"]
    cases |= {
        "cut before its last byte": (whole[:-1], ["near byte"]),
        "empty": (b"", ["is empty"]),
        "one byte": (b"\x80", ["near byte"]),
        "more after its end": (whole + b"x", ["after its end"]),
        "twice": (whole + whole, ["after its end"]),
        "two values": (b"\x80\x04NN.", ["near byte"]),
        "no value": (b"\x80\x04.", ["near byte"]),
        "an open mark": (b"\x80\x04N(N.", []),
        "gzip": (gzip.compress(whole, mtime=0), ["gzip"]),
        "a zip archive": (zip_of({"network.pkl": whole}), ["zip archive"]),
        "a web page": (b"<!DOCTYPE html><html>Not found</html>", ["near byte"]),
        "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", []),
    }
    for seed in range(10):
        cases[f"noise {seed}"] = b"\x80\x04" * (seed % 2) + random.Random(seed).randbytes(2000), []
    return cases


def zip_of(entries, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


def torch_zip(code=None, kind="FloatStorage", key="0", count=1, **entries):
    """What torch.save writes, of one tensor under `w`, or of other instructions; `entries` come on top."""
    numbers = identity(kind=kind, key=key, count=count)
    code = a_dict(w=tensor(numbers=numbers)) if code is None else code
    return {"a/data.pkl": file(code), "a/byteorder": b"little", "a/data/0": b"\0\1\2\3", "a/version": b"3\n"} | entries


def _torch_files():
    whole = zip_of(torch_zip())
    twice = zip_of({"a/data.pkl": b"1", "b/data.pkl": b"2"}).replace(b"b/data", b"a/data")
    claims = bytearray(whole)
    at = whole.index(b"PK\x01\x02")
    claims[at + 24 : at + 28] = struct.pack("<I", 1 << 30)  # the directory says that the first entry is so long
    return {
        "os.system": (zip_of(torch_zip(SYSTEM)), ["'os.system'"]),
        "os.system in a name's place": (zip_of(torch_zip(kind="load")), ["'torch.load'"]),
        "a network": (zip_of(torch_zip(network({}))), ["persistence"]),
        "a file in the file": (zip_of(torch_zip(storage(legacy()))), ["'torch.storage._load_from_bytes'"]),
        "a tensor beyond its storage": (zip_of(torch_zip(a_dict(w=tensor((9,), numbers=identity())))), ["larger"]),
        "another length": (zip_of(torch_zip(count=2)), ["another length"]),
        "2**40 numbers": (zip_of(torch_zip(count=1 << 40)), ["another length"]),
        "a key that leads elsewhere": (zip_of(torch_zip(key="../../canary")), ["lacks the numbers"]),
        "a missing storage": (zip_of(torch_zip(key="1")), ["lacks the numbers of storage '1'"]),
        "a name that leads up": (zip_of(torch_zip(**{"../../canary": b"x"})), ["'../../canary'"]),
        "an absolute name": (zip_of(torch_zip(**{"/canary": b"x"})), ["'/canary'"]),
        "a name with a backslash": (zip_of(torch_zip(**{"a\\..\\canary": b"x"})), ["leads elsewhere"]),
        "a name with a line break": (zip_of(torch_zip(**{"a\ncanary": b"x"})), ["'a\\ncanary'"]),
        "a name with a null byte": (zip_of(torch_zip(**{"a/bXc": b""})).replace(b"bXc", b"b\x00c"), ["'a/b\\x00c'"]),
        "one name twice": (twice, ["two files of one name"]),
        "a deflated bomb": (zip_of(torch_zip(bomb=bytes(LARGE)), zipfile.ZIP_DEFLATED), ["unpacks to 20000"]),
        "a bomb in the pickle": (zip_of(torch_zip(Code(b"N0" * 400_000 + b"N")), zipfile.ZIP_DEFLATED), ["unpacks to"]),
        "a bzip2 bomb": (zip_of(torch_zip(bomb=bytes(LARGE)), zipfile.ZIP_BZIP2), ["compression"]),
        "an lzma bomb": (zip_of(torch_zip(bomb=bytes(LARGE)), zipfile.ZIP_LZMA), ["compression"]),
        "a directory that lies": (bytes(claims), ["unpacks to"]),
        "a program": (zip_of(torch_zip(**{"a/constants.pkl": b"N."})), ["TorchScript"]),
        "no data.pkl": (zip_of({"a/b": b""}), ["no data.pkl"]),
        "two data.pkl": (zip_of(torch_zip(**{"b/data.pkl": b"N."})), ["no data.pkl, or several"]),
        "another byte order": (zip_of(torch_zip(**{"a/byteorder": b"big"})), ["byte order"]),
        "text after the pickle": (zip_of(torch_zip(**{"a/data.pkl": b"N.N."})), ["after its end"]),
        "10,001 files": (zip_of({str(n): b"" for n in range(10_001)}), ["10000 files"]),
        "half of it": (whole[: len(whole) // 2], ["damaged"]),
        "the beginning alone": (b"PK\x03\x04", ["damaged"]),
        "a changed byte": (whole.replace(b"\0\1\2\3", b"\0\1\2\4"), ["damaged"]),
        "an encrypted entry": (_encrypted(whole), ["damaged"]),
        "the older format, os.system": (legacy(storage=SYSTEM), ["'os.system'"]),
        "the older format, 2**40 numbers": (legacy(count=1 << 40), ["more memory"]),
        "the older format, cut": (legacy()[:-1], ["cut short"]),
        "the format before, a tar file": (b"storages".ljust(512, b"\0"), ["near byte"]),
        "an official pickle": (official(2), ["not on the list"]),
        "a plain pickle": (pickle.dumps({"a": 1}), ["torch.save"]),
        "empty": (b"", ["is empty"]),
        "noise": (random.Random(0).randbytes(500), []),
    }  # fmt: skip


def _encrypted(archive):
    content = bytearray(archive)
    content[6] |= 1
    content[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


PICKLES, TORCH_FILES = _pickles(), _torch_files()
SAFETENSORS = {
    "cut": struct.pack("<Q", 1000) + b"{}",
    "a huge header": struct.pack("<Q", 1 << 62) + b"{}",
    "a header that is no JSON": struct.pack("<Q", 4) + b"oops",
    "no header": b"\x00\x01",
    "a tensor beyond the end": struct.pack("<Q", 62)
    + b'{"w":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4000000]}}'[:62],
    "noise": random.Random(1).randbytes(100),
    "empty": b"",
}
