;; Sends events of 60 KiB until one is refused, and answers with the refusal.
;;
;; request: write harm
;; status: 400
;; error: --transfer-mib

(global $metadata (mut i32) (i32.const 0))
(func $hostile (result i32)
  (global.set $metadata (call $repeat (i32.const 0x20) (i32.const 60000)))
  (i32.store16 (global.get $metadata) (i32.const 0x7d7b)) ;; `{}`
  (loop $again
    (call $send (i32.const 2048) (i32.const 7) (global.get $metadata) (i32.const 60000) (i32.const 64))
    (br_if $again (i32.eqz (call $failed (i32.const 64)))))
  ;; The error of `send` is a text here, and not a variant with a text.
  (call $refuse (i32.load (i32.const 68)) (i32.load (i32.const 72))))
