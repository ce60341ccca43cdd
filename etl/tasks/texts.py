"""Columns of texts -> the same cut to so many characters."""

import pyarrow as pa
import pyarrow.compute as pc


def cut(texts: pa.Array, max_chars: int) -> pa.Array:
    """Texts cut to so many characters. Few are longer: those alone are looked at, since finding the end of a character costs most."""
    is_long = pc.greater(pc.binary_length(texts), max_chars).fill_null(False)
    return pc.replace_with_mask(texts, is_long, pc.utf8_slice_codeunits(texts.filter(is_long), 0, max_chars)) if pc.any(is_long).as_py() else texts
