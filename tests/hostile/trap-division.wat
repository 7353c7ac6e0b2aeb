;; Divides by zero.
;;
;; request: read harm
;; status: 500
;; error: divide by zero

(func $hostile (result i32)
  (i32.div_s (i32.const 1) (global.get $armed)))
(global $armed (mut i32) (i32.const 0))
