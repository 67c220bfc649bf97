"""Finds and replaces the tensors inside whatever a module takes and gives: tuples, lists, mappings, records."""

import copy


def tensors_in(value, is_tensor, path=""):
    """Each tensor with the place where it stands, such as `[0]['logits']`."""
    if is_tensor(value):
        yield path, value
    elif isinstance(value, dict):
        for key in value:
            for found in tensors_in(value[key], is_tensor, "%s[%r]" % (path, key)):
                yield found
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            for found in tensors_in(item, is_tensor, "%s[%d]" % (path, index)):
                yield found
    elif hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        for name in value.__dataclass_fields__:
            for found in tensors_in(getattr(value, name, None), is_tensor, "%s.%s" % (path, name)):
                yield found


def with_tensors(value, is_tensor, replace, path=""):
    """The same structure with each tensor replaced by `replace(place, tensor)`."""
    if is_tensor(value):
        return replace(path, value)
    if isinstance(value, dict):
        made = copy.copy(value)
        for key in value:
            made[key] = with_tensors(value[key], is_tensor, replace, "%s[%r]" % (path, key))
        return made
    if isinstance(value, (list, tuple)):
        items = [with_tensors(item, is_tensor, replace, "%s[%d]" % (path, index)) for index, item in enumerate(value)]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        made = copy.copy(value)
        for name in value.__dataclass_fields__:
            item = with_tensors(getattr(value, name, None), is_tensor, replace, "%s.%s" % (path, name))
            object.__setattr__(made, name, item)
        return made
    return value
