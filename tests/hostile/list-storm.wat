;; Lists its storage again and again until it is told to stop.
;;
;; request: list harm
;; status: 400
;; error: --storage-ops

(func $hostile (result i32)
  (loop $again
    (call $list-page (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 64))
    (br_if $again (i32.eqz (call $failed (i32.const 64)))))
  (call $pass-on (i32.const 64)))
