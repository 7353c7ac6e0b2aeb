;; Has an allocator that returns an address beyond its memory.
;;
;; request: read harm
;; status: 500
;; error: realloc return: beyond end of memory

(global $armed (mut i32) (i32.const 0))
(func $realloc (param i32 i32 i32 i32) (result i32)
  (if (global.get $armed) (then (return (i32.const 0xfffffff0))))
  (call $allocate (local.get 3)))

(func $hostile (result i32)
  (global.set $armed (i32.const 1))
  (call $vault-version (i32.const 64))
  (call $benign))
