;; Asks for 2 GiB of memory at once, and traps if it is refused.
;;
;; request: read harm
;; status: 500
;; error: --memory-mib

(func $hostile (result i32)
  (if (i32.eq (memory.grow (i32.const 32768)) (i32.const -1)) (then unreachable))
  (call $benign))
