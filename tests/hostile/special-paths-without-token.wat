;; Asks to be served without a token, although nobody granted it.
;;
;; request: enable
;; status: 400
;; error: --unauthenticated

(data (i32.const 4096) "\08\10\00\00\07\00\00\00login/*")
(func $special-paths (param $pairs i32) (param $count i32) (result i32)
  (if (i32.eqz (call $has-option (local.get $pairs) (local.get $count))) (then (return (call $nothing))))
  (i32.store (i32.const 520) (i32.const 4096))
  (i32.store (i32.const 524) (i32.const 1))
  (i32.const 512))
